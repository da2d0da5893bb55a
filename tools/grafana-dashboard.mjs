// Prints the Grafana dashboard that the metric table gives: npm run --silent dashboard:grafana > dashboard.json
const { grafanaDashboard } = await import("../dist/monitor/grafana.js")
process.stdout.write(`${JSON.stringify(grafanaDashboard(), null, 2)}\n`)
