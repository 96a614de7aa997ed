/** zod schemas as JSON Schema 2020-12. A schema with `.meta({ id })` becomes a component, once, and a reference elsewhere. */
import { z } from 'zod';

export type JsonSchema = Record<string, unknown>;
/** What a client may send (defaults left out), or what the server answers. */
export type Direction = 'input' | 'output';

/** Outputs must be added first: where an input differs from the output of the same name (by defaults), it becomes `<name>Input`. */
export interface SchemaSet {
  /** The schema, or a reference to its component. */
  add(schema: z.ZodType, direction: Direction): JsonSchema;
  /** All components so far, by name. */
  components(): Record<string, JsonSchema>;
}

const prefix = '#/components/schemas/';

interface Component {
  /** The schema with all that it refers to, before renaming: equal closures are the same component. */
  readonly closure: string;
  readonly schema: JsonSchema;
}

export function schemaSet(): SchemaSet {
  const components = new Map<string, Component>();
  const add = (schema: z.ZodType, direction: Direction): JsonSchema => {
    const { $schema: _, $defs = {}, ...root } = toJsonSchema(schema, direction);
    const id = schema.meta()?.id;
    // A root that refers to itself is among the definitions already.
    const ownRoot = id === undefined || id in $defs ? {} : { [id]: root };
    const definitions: Record<string, JsonSchema> = { ...$defs, ...ownRoot };
    const renamed = new Map<string, string>();
    for (const key of Object.keys(definitions)) {
      const known = components.get(key);
      const isSame = known === undefined || known.closure === closureOf(key, definitions);
      renamed.set(key, isSame ? key : `${key}Input`);
    }
    for (const [key, definition] of Object.entries(definitions)) {
      const relinked = relink(withoutId(definition), renamed) as JsonSchema;
      components.set(renamed.get(key) ?? key, { closure: closureOf(key, definitions), schema: relinked });
    }
    if (id !== undefined) return { $ref: `${prefix}${renamed.get(id) ?? id}` };
    return relink(root, renamed) as JsonSchema;
  };
  const sorted = (): [string, Component][] => [...components].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    add,
    components: () => Object.fromEntries(sorted().map(([name, { schema }]) => [name, schema])),
  };
}

/** The text of a definition and of every one that it refers to. */
function closureOf(key: string, definitions: Readonly<Record<string, JsonSchema>>): string {
  const seen = new Map<string, string>();
  const visit = (name: string): void => {
    if (seen.has(name)) return;
    const text = JSON.stringify(definitions[name]);
    seen.set(name, text);
    for (const [, inner] of text.matchAll(/"\$ref":"#\/\$defs\/([^"]+)"/g))
      if (inner !== undefined) visit(inner);
  };
  visit(key);
  return [...seen].map(([name, text]) => `${name}=${text}`).join('\n');
}

interface RootSchema extends JsonSchema {
  readonly $defs?: Record<string, JsonSchema>;
}

function toJsonSchema(schema: z.ZodType, direction: Direction): RootSchema {
  return z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: direction,
    // A transformed header name or version number is described by what goes in.
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      // An answer may gain fields in a later version; only what is declared strict is closed.
      if (def.type === 'object' && def.catchall === undefined) delete jsonSchema.additionalProperties;
      // The format says it; zod's pattern for a date fills three lines.
      if (jsonSchema.format === 'date-time' || jsonSchema.format === 'uuid') delete jsonSchema.pattern;
    },
  }) as RootSchema;
}

function withoutId(schema: JsonSchema): JsonSchema {
  const { id: _, ...rest } = schema;
  return rest;
}

/** Points `#/$defs/X` to the component that X has become. */
function relink(value: unknown, renamed: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => relink(item, renamed));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key !== '$ref' || typeof inner !== 'string') return [key, relink(inner, renamed)];
      const name = inner.replace(/^#\/\$defs\//, '');
      return [key, `${prefix}${renamed.get(name) ?? name}`];
    }),
  );
}

/** The fields of a params or query schema as OpenAPI parameters. */
export function parametersOf(
  place: 'path' | 'query',
  schema: z.ZodType | undefined,
  schemas: SchemaSet,
): JsonSchema[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemas.add(schema, 'input') as {
    properties?: Record<string, JsonSchema>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}
