// The packaged Swagger UI 4 draws OpenAPI 3.0 only and refuses 3.1 by its number. What it draws of
// our document is the same in both, so the page shows it under the number it knows; the document
// itself, at /api/openapi.json, stays 3.1.
fetch("/api/openapi.json")
  .then((answer) => answer.json())
  .then((spec) =>
    SwaggerUIBundle({
      spec: { ...spec, openapi: "3.0.3" },
      dom_id: "#api",
      deepLinking: true,
      presets: [SwaggerUIBundle.presets.apis],
    }),
  );
