"""The API's description (OpenAPI 3.1): what the routes say, and what every answer has in common.

`document` puts it together; `introduction.md`, `tags`, `headers`, `problems` and `examples.json`
are what it is made of besides the routes themselves. How to describe a route: `docs/api.md`.
"""
