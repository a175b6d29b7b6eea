"""Relay's text: tokens, parser, printer, and the prelude that is written in it.

The grammar, where ``X*,`` is a list of X separated by commas, and a comma may follow the last one::

    program    = ['#[version = "0.0.5"]'] (definition* | free* block) ['#[metadata]' json]
    definition = 'def' @name [tparams] '(' param*, ')' ['->' type] '{' block '}'
               | 'type' Name [tparams] '{' (Name ['(' type*, ')'])*, '}'
               | 'extern' 'type' Name [tparams] ';'
    free       = 'free_var' %name [':' type] ';'
    block      = 'let' %name [':' type] '=' expr ';' block | %number '=' expr ';' block
               | expr [';;' block]
    expr       = expr infix expr | '-' expr | expr '.' number
               | expr ['[' type*, ']'] '(' (expr | name '=' value)*, ')'
               | '(' block ')' | '(' ')' | '(' block ',' expr*, ')' | '[' expr*, ']'
               | 'if' '(' block ')' '{' block '}' 'else' '{' block '}'
               | ('match' | 'match?') '(' block ')' '{' (pattern '=>' '{' block '}')*, '}'
               | 'fn' [tparams] '(' param*, ')' ['->' type] '{' block '}'
               | ('ref' | 'ref_read' | 'ref_write') '(' expr*, ')'
               | 'meta' '[' 'relay.Constant' ']' '[' number ']'
               | %name | %number | @name | operator | Constructor | '&' Constructor
               | number suffix | True | False
    infix      = '*' '/', then '+' '-', then '<' '>' '<=' '>=' '==' '!='; all associate to the left
    param      = %name [':' type] | name '=' value
    value      = None | True | False | number | string | '[' value*, ']' | ['-'] 'inf' | 'nan'
    pattern    = '_' | %name [':' type] | Constructor ['(' pattern*, ')']
               | '(' pattern*, ')'
    tparams    = '[' (Name [':' kind])*, ']'
    type       = '(' type*, ')' | Name ['[' type*, ']'] | dtype | '_' | '_1'
               | 'Tensor' '[' shape ',' dtype ']' | 'Ref' '[' type ']'
               | 'fn' [tparams] '(' type*, ')' '->' type ['where' '[' relation*, ']']

A constructor without inputs is called where it is named; with ``&`` before it, it is the function. A list in
brackets of constants is a constant, of other expressions it is their stack. ``%1 = f(%x);`` is no binding of
the language: all uses of ``%1`` are the same node.
"""
