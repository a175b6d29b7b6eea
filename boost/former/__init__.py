"""Modules of version 0.1 under their names of then, because its pickles name them; nothing else imports them.

`boost` appends this folder to its search path, so that ``boost.tree`` in a pickle finds ``tree.py`` here.
"""
