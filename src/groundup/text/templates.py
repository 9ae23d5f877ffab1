"""How a conversation is written down for a model: the chat templates that can be chosen by name.

A template is a program in jinja, the language in which published models bring theirs, so that transformers
and llama.cpp write our conversations as we do. It sees `messages`, each with a role and a content, the names
of the special tokens, and `add_generation_prompt`: whether the assistant is to speak next.
"""

# Every content stands between two special tokens, so that its ids are those of the content alone. There is no
# token for the system's words: they stand before the first question.
GROUNDUP = """\
{%- set ns = namespace(before='') -%}
{{- bos_token -}}
{%- for message in messages -%}
    {%- if message['role'] == 'system' and loop.first -%}
        {%- set ns.before = message['content'] + '\\n\\n' -%}
    {%- elif message['role'] == 'user' -%}
        {{- '<|user|>' + ns.before + message['content'] + '<|end|>' -}}
        {%- set ns.before = '' -%}
    {%- elif message['role'] == 'assistant' -%}
        {{- '<|assistant|>' + message['content'] + '<|end|>' -}}
    {%- else -%}
        {{- raise_exception('a message of the system can only be the first one') -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|assistant|>' -}}
{%- endif -%}
"""

# For models that never saw a mark of a conversation: headings in plain text, the form that Stanford's Alpaca
# made common. Only the end of an answer is a token.
ALPACA = """\
{{- bos_token -}}
{%- if messages[0]['role'] != 'system' -%}
    {{- 'Here is an instruction that describes a task, and a response that fulfils it.\\n\\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {%- if message['role'] == 'system' and loop.first -%}
        {{- message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'user' -%}
        {{- '### Instruction:\\n' + message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'assistant' -%}
        {{- '### Response:\\n' + message['content'] + eos_token + ('' if loop.last else '\\n\\n') -}}
    {%- else -%}
        {{- raise_exception('a message of the system can only be the first one') -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '### Response:\\n' -}}
{%- endif -%}
"""

TEMPLATES = {"groundup": GROUNDUP, "alpaca": ALPACA}
