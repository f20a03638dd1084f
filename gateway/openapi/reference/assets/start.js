// Starts the viewer. The element's data describe the documents: see page.py.
const element = document.getElementById("reference");
const { documents, securityScheme } = JSON.parse(element.dataset.settings);

// The address of the API: the page's own, up to its last slash, with the prefix of a proxy.
const root = new URL(".", location).href.replace(/\/$/, "");

// Languages whose samples are not shown: all but curl, JavaScript and Python.
const otherTargets = [
  "c", "clojure", "csharp", "dart", "fsharp", "go", "http", "java", "kotlin", "objc", "ocaml", "php",
  "powershell", "r", "ruby", "rust", "swift",
];

Scalar.createApiReference("#reference", {
  sources: documents,
  // Requests go to the server that serves this page, which its policy allows, and no other.
  servers: [{ url: root }],
  authentication: { preferredSecurityScheme: securityScheme },
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  hiddenClients: {
    ...Object.fromEntries(otherTargets.map((target) => [target, true])),
    shell: ["wget", "httpie"],
    js: ["axios", "jquery", "ofetch", "xhr"],
    node: ["axios", "fetch", "ofetch"],
    python: ["aiohttp", "httpx_async"],
  },
  orderSchemaPropertiesBy: "preserve",
  // Everything that would load from, or link to, services of the viewer's makers.
  agent: { disabled: true },
  hideClientButton: true,
  mcp: { disabled: true },
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
