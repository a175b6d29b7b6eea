"""Modules under the names that they had in version 0.1, for its pickles; nothing else imports them.

`boost` appends this folder to its search path, so that ``boost.tree`` in a pickle finds ``tree.py`` here.
"""
