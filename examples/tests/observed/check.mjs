// Whether Grafana and Kubernetes would take the files of the example `observed`, by what they publish of their formats:
// Grafana's types of dashboards, panels and queries, and the OpenAPI description of Kubernetes as types and as schemas. And what
// neither says: ids, places, variables; and whether the check sees a fault, which it is shown.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { Service } from 'kubernetes-models/v1/Service';
import ts from 'typescript';
import { parseAllDocuments } from 'yaml';

const here = dirname(fileURLToPath(import.meta.url));
const files = join(here, '../../observed');
const read = (name) => readFileSync(join(files, name), 'utf8');

/** What the compiler says of each of these sources, which exist only here. */
function compile(sources, paths) {
  const options = {
    module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'], noEmit: true, paths, skipLibCheck: true, strict: true, types: [],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile, readFile } = host;
  const at = (name) => join(here, `${name}.ts`);
  const texts = new Map(Object.entries(sources).map(([name, text]) => [at(name), text]));
  host.fileExists = (path) => texts.has(path) || fileExists.call(host, path);
  host.readFile = (path) => texts.get(path) ?? readFile.call(host, path);
  host.getSourceFile = (path, version, ...rest) =>
    texts.has(path) ? ts.createSourceFile(path, texts.get(path), version) : getSourceFile.call(host, path, version, ...rest);
  const program = ts.createProgram([...texts.keys()], options, host);
  const say = ({ file, start, messageText }) => {
    const line = file ? file.text.slice(0, start).split('\n').at(-1) + file.text.slice(start).split('\n')[0] : '';
    return `${line.trim()}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  };
  return Object.fromEntries(Object.keys(sources).map((name) => [name, ts.getPreEmitDiagnostics(program, program.getSourceFile(at(name))).map(say)]));
}

// Literals are looked at more closely than imported JSON: a field that is unknown is an error. Enums of the types are the
// words that JSON has.
const plain = `
  type Plain<T> = T extends string ? \`\${T}\` : T extends number | boolean | null | undefined ? T
    : T extends (infer I)[] ? Plain<I>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
`;

// Of Grafana 11 and later the query's type is not published, and did not change. Options that are missing get their default.
const panel = (version, kind, folder, fields) => `
  import type * as ${kind} from './node_modules/grafana-schema-${version}/dist/esm/raw/composable/${folder}PanelCfg_types.gen';
  type ${kind}Panel = PanelOf<'${folder.split('/')[0].replace('statetimeline', 'state-timeline')}',
    Partial<${kind}.Options>, ${fields ? `Partial<${kind}.FieldConfig>` : 'never'}>;
`;
const grafana = (version) => `
  import type { Dashboard as Whole, Panel, RowPanel, FieldConfig, VariableModel } from '@grafana/schema';
  import type { PrometheusDataQuery } from './node_modules/grafana-schema-10/dist/esm/raw/composable/prometheus/dataquery/x/PrometheusDataQuery_types.gen';
  ${plain}
  type Required_<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
  type PanelOf<Type, Options, Custom> =
    Required_<Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'>, 'id' | 'title' | 'description' | 'gridPos' | 'datasource'> & {
      type: Type; options: Options; targets: (PrometheusDataQuery & { legendFormat: string })[];
      fieldConfig: { defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom }; overrides: [] } };
  ${panel(version, 'TimeSeries', 'timeseries/panelcfg/x/TimeSeries', true)}
  ${panel(version, 'Stat', 'stat/panelcfg/x/Stat', false)}
  ${panel(version, 'StateTimeline', 'statetimeline/panelcfg/x/StateTimeline', true)}
  ${panel(version, 'Heatmap', 'heatmap/panelcfg/x/Heatmap', true)}
  type Dashboard = Required_<Omit<Whole, 'panels' | 'templating'>, 'title' | 'uid' | 'time'> & {
    panels: (RowPanel | TimeSeriesPanel | StatPanel | StateTimelinePanel | HeatmapPanel)[];
    templating: { list: VariableModel[] } };
  export const dashboard: Plain<Dashboard> =`;

/** Beyond types. */
function beyond(dashboard) {
  const faults = [];
  const ids = dashboard.panels.map((panel) => panel.id);
  if (new Set(ids).size !== ids.length) faults.push(`two panels have an id: ${ids}`);
  const place = new Map();
  for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
    if (x + w > 24) faults.push(`${title} is wider than the page`);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const other = place.get(`${column} ${line}`);
        if (other) faults.push(`${title} lies on ${other}`);
        place.set(`${column} ${line}`, title);
      }
    }
  }
  const known = new Set(dashboard.templating.list.map((variable) => variable.name));
  const text = JSON.stringify(dashboard);
  const used = new Set([...text.matchAll(/\$\{?(\w+)/g)].map((match) => match[1]).filter((name) => !name.startsWith('__')));
  for (const name of used) if (!known.has(name)) faults.push(`there is no variable ${name}`);
  for (const name of known) if (!used.has(name)) faults.push(`nothing uses the variable ${name}`);
  for (const { type, title, targets, datasource } of dashboard.panels) {
    if (type === 'row') continue;
    if (new Set(targets.map((target) => target.refId)).size !== targets.length) faults.push(`${title}: two targets have a refId`);
    for (const source of [datasource, ...targets.map((target) => target.datasource)]) {
      if (source?.uid !== '${datasource}') faults.push(`${title} asks another datasource`);
    }
    for (const { expr } of targets) if (!/key=~"\$key"/.test(expr)) faults.push(`${title} shows all keys: ${expr}`);
  }
  return faults;
}

// What is spoiled, and where: the check has to see each.
const spoiled = {
  panel: (d) => { d.panels[1].type = 'stats'; },
  option: (d) => { d.panels[1].options.colourMode = 'value'; },
  word: (d) => { d.panels[1].options.colorMode = 'colourful'; },
  style: (d) => { d.panels[3].fieldConfig.defaults.custom.drawStyle = 'bar'; },
  threshold: (d) => { d.panels[1].fieldConfig.defaults.thresholds.mode = 'relative'; },
  mapping: (d) => { d.panels[2].fieldConfig.defaults.mappings[0].type = 'values'; },
  query: (d) => { delete d.panels[1].targets[0].expr; },
  place: (d) => { delete d.panels[1].gridPos.h; },
  field: (d) => { d.panels[1].desc = 'who'; },
  variable: (d) => { d.templating.list[1].refresh = 7; },
  schema: (d) => { d.schemaVersion = '38'; },
  time: (d) => { d.time = 'now-1h'; },
};
const spoiledBeyond = {
  id: (d) => { d.panels[1].id = 1; },
  overlap: (d) => { d.panels[1].gridPos.w = 7; },
  wide: (d) => { d.panels[2].gridPos.w = 19; },
  unknown: (d) => { d.panels[1].targets[0].expr = 'sum(lessor_leading{key=~"$key", job="$job"})'; },
  datasource: (d) => { d.panels[1].targets[0].datasource.uid = 'prometheus'; },
  all: (d) => { d.panels[1].targets[0].expr = 'sum(lessor_leading)'; },
};
const spoiledManifest = {
  misspelt: (d) => { d.spec.template.spec.containers[0].livenessProb = {}; },
  grace: (d) => { d.spec.template.spec.terminationGracePeriod = 30; },
  replicas: (d) => { d.spec.replicas = '2'; },
  selector: (d) => { delete d.spec.selector; },
  port: (d) => { d.spec.template.spec.containers[0].ports[0].containerPort = 'http'; },
  path: (d) => { d.spec.template.spec.containers[0].env[0].valueFrom.fieldRef = {}; },
};

const bad = [];
const complain = (what, faults) => faults.forEach((fault) => bad.push(`${what}: ${fault}`));
const copies = (original, spoilers) =>
  Object.entries(spoilers).map(([name, spoil]) => {
    const copy = structuredClone(original);
    spoil(copy);
    return [name, copy];
  });
const sources = (head, whole, others) =>
  Object.fromEntries([['whole', whole], ...others].map(([name, value]) => [name, `${head} ${JSON.stringify(value, null, 1)};`]));
function judge(what, found) {
  const { whole, ...others } = found;
  complain(what, whole);
  for (const [name, faults] of Object.entries(others)) if (faults.length === 0) bad.push(`${what}: the check does not see '${name}'`);
}

const dashboard = JSON.parse(read('dashboard.json'));
for (const version of [10, 11, 12]) {
  // The types of panels take those of the whole from here.
  const paths = { '@grafana/schema': [join(here, 'node_modules', `grafana-schema-${version}`)] };
  const others = version === 11 ? copies(dashboard, spoiled) : [];
  judge(`dashboard.json, Grafana ${version}`, compile(sources(grafana(version), dashboard, others), paths));
}
judge('dashboard.json', Object.fromEntries(
  [['whole', dashboard], ...copies(dashboard, spoiledBeyond)].map(([name, copy]) => [name, beyond(copy)]),
));

// Types see what is misspelt, schemas see what has another form.
const kinds = { Deployment: ['apps/v1', Deployment], PodDisruptionBudget: ['policy/v1', PodDisruptionBudget], Service: ['v1', Service] };
const documents = parseAllDocuments(read('kubernetes.yaml'));
complain('kubernetes.yaml', documents.flatMap((document) => [...document.errors, ...document.warnings].map(String)));
const resources = documents.flatMap((document) => {
  const resource = document.toJS();
  const others = copies(resource, resource.kind === 'Deployment' ? spoiledManifest : {});
  return [[resource.kind, resource], ...others.map(([name, copy]) => [`${resource.kind}-${name}`, copy])];
});
const found = compile(Object.fromEntries(resources.map(([name, resource]) => [name, `
  import type { I${resource.kind} } from 'kubernetes-models/${kinds[resource.kind][0]}/${resource.kind}';
  export const resource: I${resource.kind} = ${JSON.stringify(resource, null, 1)};`])));
for (const [name, resource] of resources) {
  try { new kinds[resource.kind][1](resource).validate(); } catch (error) { found[name].push(error.message); }
}
for (const kind of Object.keys(kinds)) {
  const ofKind = Object.entries(found).filter(([name]) => name.split('-')[0] === kind);
  judge(`kubernetes.yaml, ${kind}`, Object.fromEntries(ofKind.map(([name, faults]) => [name === kind ? 'whole' : name, faults])));
}

if (bad.length > 0) {
  console.error(bad.join('\n'));
  process.exit(1);
}
console.log('dashboard.json: as Grafana 10, 11 and 12 have it; kubernetes.yaml: as Kubernetes has it');
