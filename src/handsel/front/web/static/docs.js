// The API page: one file of Scalar, no font, no telemetry and no proxy of another host.
Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: "",
  hideClientButton: true,
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: "never",
  defaultOpenAllTags: false,
  authentication: { preferredSecurityScheme: "bearer" },
  metaData: { title: "handsel API" },
});
