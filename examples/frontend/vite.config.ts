import { defineConfig } from "vite";

// Requests go through Vite's server, so that the browser sees one origin and the API needs no CORS.
const target = process.env.EXEMPLAR_URL ?? "http://127.0.0.1:8000";
const proxy = { "/graphql": { target, changeOrigin: true, ws: true, rewriteWsOrigin: true } };

export default defineConfig({ server: { proxy }, preview: { proxy } });
