"""The web page, as the gateway serves it: the shell of each page, and the files of `web/`.

What a page shows and does is in `web/`, as ES modules that run as they stand; docs/web.md tells of
it. Here is only what has to be in the first answer: title, description and data for those who
preview and index, and what the browser should fetch at once.
"""
