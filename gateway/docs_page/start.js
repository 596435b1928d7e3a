// Shows the API's description as it is. Its samples name things that are not there, so the page puts
// in those that are: an event on sale, the hold that was just made, the token of the last log-in.
const API = "/api/v1";
const JSON_TYPE = "application/json";
const BOOKING = { hold_id: "", payment_method: "CARD", payment_token: "tok_ok" };

function put(spec, path, sample) {
  const content = spec.paths[API + path].post.requestBody.content[JSON_TYPE];
  delete content.examples;
  content.example = sample;
}

async function get(path) {
  const answer = await fetch(API + path);
  return answer.ok ? answer.json() : null;
}

// What to ask for two places of an event that has them; null where none is on sale.
async function placesOnSale() {
  const page = await get("/events?limit=100");
  const event = page?.items.find((each) => each.sales.open && each.availability?.available > 1);
  const section = event && (await get(`/events/${event.id}/seats`))?.sections[0];
  if (!section) return null;
  return section.kind === "STANDING"
    ? { event_id: event.id, general: [{ tier_id: section.tier_id, quantity: 2 }] }
    : { event_id: event.id, best_available: { quantity: 2 } };
}

// A sample key would make the second request a repetition of the first.
function dropKeys(spec) {
  for (const operations of Object.values(spec.paths)) {
    for (const { parameters = [] } of Object.values(operations)) {
      const key = parameters.find((parameter) => parameter.name === "Idempotency-Key");
      if (key) {
        delete key.example;
        delete key.schema.examples;
      }
    }
  }
}

// Shows the hold that was made last in the sample for its booking. (Updating the description would
// clear the answers on the page.)
function showingHold() {
  let hold = "";
  let shown = [];
  const specResolvedSubtree = (original) => (_state, path) => {
    const subtree = original(path);
    if (!hold || !subtree || path.join(" ") !== `paths ${API}/bookings post`) return subtree;
    if (shown[0] !== subtree || shown[1] !== hold) {
      const sample = ["requestBody", "content", JSON_TYPE, "example", "hold_id"];
      shown = [subtree, hold, subtree.setIn(sample, hold)];
    }
    return shown[2];
  };
  return {
    show: (id) => (hold = id),
    plugin: () => ({ statePlugins: { spec: { wrapSelectors: { specResolvedSubtree } } } }),
  };
}

async function start() {
  const spec = await (await fetch("/api/openapi.json")).json();
  const places = await placesOnSale();
  if (places) put(spec, "/holds", places);
  put(spec, "/bookings", { ...BOOKING });
  dropKeys(spec);

  const lastHold = showingHold();
  const ui = SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [lastHold.plugin],
    responseInterceptor: (answer) => {
      const path = new URL(answer.url, location.href).pathname;
      if (path === `${API}/auth/login` && answer.status === 200) {
        ui.preauthorizeApiKey("access_token", JSON.parse(answer.text).access_token);
      }
      if (path === `${API}/holds` && answer.status === 201) {
        const { id } = JSON.parse(answer.text);
        lastHold.show(id);
        // And where the booking stands open already.
        ui.oas3Actions.setRequestBodyValue({
          value: JSON.stringify({ ...BOOKING, hold_id: id }, null, 2),
          pathMethod: [`${API}/bookings`, "post"],
        });
      }
      return answer;
    },
  });
}

start();
