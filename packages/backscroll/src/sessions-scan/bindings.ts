import { declaredFunction, inherits, isSelf, methodOf, patternParts, valueSetTo } from "./definitions.ts";
import { type Dictionary, type FoundUse, type Home } from "./dictionary.ts";
import { findExports, findImports, type Import, requiredModule } from "./imports.ts";
import { addMember, addSite, type Holder, keyOfMeaning, type Meaning, newHolder, type Value } from "./meaning.ts";
import { submodule } from "./modules.ts";
import { scopesOf, type Scope, type Scopes } from "./scopes.ts";
import { followValue } from "./follow.ts";
import { createHolders } from "./holders.ts";
import type { Steps } from "./record.ts";
import { ancestor, type Node, type SourceFile, textOf } from "./tree.ts";
import { isFunction, lastName, outer, type View, viewOf } from "./view.ts";
import { givesMessages } from "./vocabulary.ts";

/** The files of the tree, opened when something leads to them. */
export interface Tree {
  read(path: string): SourceFile | null;
  resolve(file: SourceFile, specifier: string): readonly string[];
  /** The files that may import this one and have the name in their text. */
  importers(path: string, name: string): readonly string[];
  /** The files that have both words in their text. */
  mentioning(first: string, second: string): readonly string[];
}

interface OpenFile {
  readonly file: SourceFile;
  readonly scopes: Scopes;
  readonly module: Holder;
  readonly imports: readonly Import[];
  readonly exports: ReturnType<typeof findExports>;
}

/**
 * Follows a dictionary to everything that touches it; its `uses` and `evidence` fill up. Names are followed here: to their
 * references, through variables, imports and exports, classes and their objects, and functions that return what they stand
 * for. What an expression around a reference means is `followValue`'s.
 *
 * @param goesOn asked when all is followed in the files that are open, and again: whether others are worth opening
 */
export function followDictionary(tree: Tree, dictionary: Dictionary, goesOn: () => boolean): void {
  const files = new Map<string, OpenFile | null>();
  const holders = new Map<string | Node, Holder>();
  const seen = new Set<string>();
  const queue: (() => void)[] = [];
  /** What is decided when all variables are known. */
  const later: (() => void)[] = [];
  /** What leads to files that are not open, and so costs. */
  const elsewhere: { path: string; name: string }[] = [];
  const known = new Set<string>();

  function holderOf(of: string | Node): Holder {
    const holder = holders.get(of) ?? newHolder(holders.size, of);
    holders.set(of, holder);
    return holder;
  }

  function open(path: string): OpenFile | null {
    const opened = files.get(path);
    if (opened !== undefined) return opened;
    const file = tree.read(path);
    if (file) return add(file);
    files.set(path, null);
    return null;
  }

  function add(file: SourceFile): OpenFile {
    const added: OpenFile = {
      file,
      scopes: scopesOf(file),
      module: holderOf(file.path),
      imports: findImports(file),
      exports: findExports(file),
    };
    files.set(file.path, added);
    for (const found of added.imports) connect(added, found);
    return added;
  }

  function connect(to: OpenFile, found: Import): void {
    const { file, scopes } = to;
    const inModule = file.language === "python" ? submodule(found.specifier, found.imported) : null;
    const asModule = inModule && !found.imported.startsWith("*") ? tree.resolve(file, inModule) : [];
    if (found.local && asModule.length > 0) return bindModule(to, found, asModule);
    const paths = tree.resolve(file, found.specifier);
    if (found.imported === "*" && found.local) return bindModule(to, found, paths);
    for (const path of paths) {
      const names = found.imported === "default" ? ["default", "*"] : [found.imported];
      for (const name of names) {
        addSite(holderOf(path), name, (member, meaning) => {
          if (found.exported !== null) tell(to, found.exported === "*" ? member : found.exported, meaning);
          else if (found.local) {
            bind(to, scopes.at(found.local), textOf(found.local), meaning);
            imported(meaning, found.node);
          }
          if (found.exported === "*" && file.language === "python") {
            const { declared } = scopes.module;
            if (!declared.has(member)) declared.set(member, [found.node]);
            bind(to, scopes.module, member, meaning);
            imported(meaning, found.node);
          }
        });
      }
    }
  }

  function imported(meaning: Meaning, node: Node): void {
    if (meaning.of !== "value" || meaning.kind !== "dictionary") return;
    use(meaning, { pattern: "import", reason: null, start: node, node, details: {} });
  }

  function bindModule(to: OpenFile, { local, specifier }: Import, paths: readonly string[]): void {
    if (!local) return;
    for (const path of paths) {
      const meaning: Meaning = { of: "holder", holder: holderOf(path), as: "module" };
      if (requiredModule(local) !== null) queue.push(() => follow(local, meaning));
      else if (
        to.file.language === "python" &&
        local.kind === "identifier" &&
        /\w\.\w/.test(specifier) &&
        local.parent?.kind === "dotted_name"
      ) {
        bindDotted(to, specifier, meaning);
      } else {
        bind(to, to.scopes.at(local), textOf(local), meaning);
        addSite(meaning.holder, "*", (_, whole) => bind(to, to.scopes.at(local), textOf(local), whole));
      }
    }
  }

  /** After `import a.b`, the module is `a.b` wherever that is written. */
  function bindDotted(to: OpenFile, specifier: string, meaning: Meaning): void {
    for (const node of to.scopes.attributes.get(specifier.split(".").at(-1)!) ?? []) {
      if (textOf(node) === specifier) queue.push(() => follow(node, meaning));
    }
  }

  function bind(to: OpenFile, scope: Scope, name: string, meaning: Meaning): void {
    const key = `${to.file.path} ${scope.node.start} ${scope.kind} ${name} ${keyOfMeaning(meaning)}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (meaning.of === "value") known.add(`${to.file.path} ${scope.node.start} ${name} ${idOf(meaning.dictionary)}`);
    queue.push(() => {
      for (const reference of to.scopes.names.get(name) ?? []) {
        if (to.scopes.resolve(reference) === scope) follow(reference, meaning);
      }
    });
    if (scope.kind === "class") addClassMember(to, scope.node, name, meaning);
    if (scope.kind !== "module") return;
    const exported = to.exports.all ? [name] : (to.exports.names.get(name) ?? []);
    for (const other of exported) tell(to, other, meaning);
  }

  /** A module has something under this name; who imports it may be in a file that nobody has opened. */
  function tell(of: OpenFile, name: string, meaning: Meaning): void {
    if (!addMember(of.module, name, meaning)) return;
    elsewhere.push({ path: of.file.path, name });
  }

  function addClassMember(of: OpenFile, owner: Node, name: string, meaning: Meaning): void {
    const holder = holderOf(owner);
    if (!addMember(holder, name, meaning)) return;
    const member = dictionaryOf(meaning);
    if (member) known.add(`${of.file.path} ${owner.start} .${name} ${idOf(member)}`);
    queue.push(() => {
      for (const attribute of of.scopes.attributes.get(name) ?? []) {
        const view = viewOf(attribute);
        if (view.is !== "attribute" || !isSelf(view.object)) continue;
        const inClass = ancestor(attribute, (node) => viewOf(node).is === "class");
        if (inClass && (inClass === owner || inherits(inClass, owner))) follow(attribute, meaning);
      }
      bindClass(of, owner);
    });
  }

  /** The name of a class leads to its objects, and so to its members. */
  function bindClass(of: OpenFile, owner: Node): void {
    const view = viewOf(owner);
    if (view.is !== "class" || !view.name) return;
    const meaning: Meaning = { of: "holder", holder: holderOf(owner), as: "class" };
    bind(of, of.scopes.at(owner), textOf(view.name), meaning);
  }

  function follow(node: Node, meaning: Meaning): void {
    if (meaning.of === "value") return followValue(steps, node, { ...meaning, start: node });
    if (meaning.of === "producer") return followProducer(node, meaning);
    followHolder(node, meaning.holder, meaning.as);
  }

  function followProducer(node: Node, { result, keyParameter }: Extract<Meaning, { of: "producer" }>): void {
    const parent = outer(node);
    const view = parent && viewOf(parent);
    if (!parent || view?.is !== "call") {
      if (view?.is === "assign" && view.value === node)
        assignTo(parent!, view, { of: "producer", result, keyParameter });
      return;
    }
    if (view.callee === node) {
      const argument = keyParameter === null ? undefined : view.args[keyParameter];
      const key = argument ? textOf(argument) : null;
      return followValue(steps, parent, { ...result, key, start: node, isAlias: true, steps: 0, creates: false });
    }
    if (lastName(view.callee) === "Depends") return dependency(parent, result);
    const reason = `${textOf(node)}, which gives the session, is handed to ${textOf(view.callee)}()`;
    use(result, { pattern: "unclassified", reason, start: node, node: parent, details: {} });
  }

  /** FastAPI: `session: dict = Depends(get_session)` is what the function returns. */
  function dependency(call: Node, result: Value): void {
    const parameter = ancestor(call, ({ kind }) => kind.endsWith("default_parameter"));
    const name = parameter?.children[0];
    const to = name && open(name.file.path);
    const scope = name && ancestor(name, isFunction);
    if (!to || !scope) return;
    const inner = to.scopes.at(name);
    bind(to, inner, textOf(name), { ...result, key: null, isAlias: true, steps: 0 });
  }

  function assignTo(statement: Node, view: Extract<View, { is: "assign" }>, meaning: Meaning): void {
    const to = open(statement.file.path);
    if (!to) return;
    const target = viewOf(view.target);
    if (view.target.kind === "object_pattern" && meaning.of === "holder") {
      for (const { key, name } of patternParts(view.target)) {
        addSite(meaning.holder, key, (_, member) =>
          bind(to, to.scopes.resolve(name) ?? to.scopes.module, textOf(name), member),
        );
      }
    } else if (view.target.kind.endsWith("property_identifier")) {
      const owner = ancestor(view.target, (node) => viewOf(node).is === "class");
      if (owner) addClassMember(to, owner, textOf(view.target), meaning);
    } else if (target.is === "name") {
      const scope = to.scopes.resolve(view.target);
      if (scope) bind(to, scope, target.name, meaning);
    } else if (target.is === "attribute" && isSelf(target.object)) {
      const owner = ancestor(view.target, (node) => viewOf(node).is === "class");
      if (owner) addClassMember(to, owner, target.name, meaning);
    }
  }

  /** The function around a `return` gives what is returned. */
  function returned(node: Node, meaning: Meaning): void {
    const owner = ancestor(node, isFunction);
    const view = owner && viewOf(owner);
    const to = owner && open(owner.file.path);
    if (!owner || !to || view?.is !== "function") return;
    const result = meaning.of === "value" ? producer(view, meaning) : meaning;
    if (meaning.of === "value" && view.name && givesMessages(textOf(view.name))) {
      meaning.dictionary.evidence.messageFields += 1;
    }
    if (result.of === "holder") return; // what a function makes of a class is told by its annotation
    const inClass = ancestor(owner, (other) => viewOf(other).is === "class" || isFunction(other));
    if (view.name && inClass && viewOf(inClass).is === "class")
      return addClassMember(to, inClass, textOf(view.name), result);
    if (view.name) {
      const scope = to.scopes.resolve(view.name) ?? to.scopes.at(owner);
      return bind(to, scope, textOf(view.name), result);
    }
    const holder = owner.parent && viewOf(owner.parent);
    if (holder?.is === "assign" && holder.value === owner) assignTo(owner.parent!, holder, result);
  }

  /** The function that a call calls, when it is one of this tree. */
  function functionOf(callee: Node): { view: Extract<View, { is: "function" }>; to: OpenFile } | null {
    const to = open(callee.file.path);
    const view = viewOf(callee);
    if (!to) return null;
    if (view.is === "attribute" && isSelf(view.object)) {
      const owner = ancestor(callee, (node) => viewOf(node).is === "class");
      const body = owner && viewOf(owner);
      const method = body?.is === "class" ? methodOf(body.body, view.name) : null;
      return method && { view: method, to };
    }
    if (view.is !== "name") return null;
    const scope = to.scopes.resolve(callee);
    for (const declared of scope?.declared.get(view.name) ?? []) {
      const found = declaredFunction(declared);
      if (found) return { view: found, to };
      const imported = to.imports.find(({ local }) => local === declared);
      const [path] = imported ? tree.resolve(to.file, imported.specifier) : [];
      const other = path === undefined ? null : open(path);
      for (const node of (imported && other?.scopes.module.declared.get(imported.imported)) ?? []) {
        const there = declaredFunction(node);
        if (there && other) return { view: there, to: other };
      }
    }
    return null;
  }

  /** Where a dictionary lives, or the object that it is in. */
  function place(home: Home, meaning: Meaning): void {
    if (home.in === "scope") bind(to, home.scope, home.name, meaning);
    else if (home.in === "class") addClassMember(to, home.class, home.name, meaning);
    else if (home.in === "object") {
      const holder = holderOf(home.object);
      addMember(holder, home.name, meaning);
      place(home.owner, { of: "holder", holder, as: "instance" });
    } else if (home.in === "export") {
      tell(to, home.name, meaning);
      for (const node of to.scopes.attributes.get(home.name) ?? []) {
        if (/^(module\.)?exports\.\w+$/.test(textOf(node))) queue.push(() => follow(node, meaning));
      }
    } else {
      for (const path of tree.mentioning(home.owner, home.name)) {
        for (const node of open(path)?.scopes.attributes.get(home.name) ?? []) {
          const view = viewOf(node);
          if (view.is === "attribute" && lastName(view.object) === home.owner) queue.push(() => follow(node, meaning));
        }
      }
    }
  }

  const steps: Steps = {
    follow: (node, value) => followValue(steps, node, value),
    use,
    later: (decide) => void later.push(decide),
    bindName(name, value) {
      const to = open(name.file.path);
      const scope = to?.scopes.resolve(name);
      if (to && scope) bind(to, scope, textOf(name), value);
    },
    assign: (statement, view, value) => assignTo(statement, view, value),
    returned,
    parametersOf: (callee) => functionOf(callee)?.view.parameters ?? null,
    valuesOf(name) {
      const to = open(name.file.path);
      const scope = to?.scopes.resolve(name);
      const all = (scope && to?.scopes.names.get(textOf(name))) ?? [];
      return all.filter((other) => to?.scopes.resolve(other) === scope).flatMap(valueSetTo);
    },
    isOf(node, other) {
      const view = viewOf(node);
      if (view.is === "attribute") {
        const owner = isSelf(view.object) ? ancestor(node, (other) => viewOf(other).is === "class") : null;
        return owner !== null && known.has(`${node.file.path} ${owner.start} .${view.name} ${idOf(other)}`);
      }
      const scope = open(node.file.path)?.scopes.resolve(node);
      return scope ? known.has(`${node.file.path} ${scope.node.start} ${textOf(node)} ${idOf(other)}`) : false;
    },
  };

  const followHolder = createHolders({
    reached: dictionary.reached,
    open,
    bind,
    addClassMember,
    assignTo,
    returned,
    functionOf,
    follow: (node, meaning) => void queue.push(() => follow(node, meaning)),
    later: (decide) => void later.push(decide),
    use: (found) => use(value, found),
  });

  function drain(): void {
    for (;;) {
      const next = queue.shift() ?? later.shift();
      if (!next) return;
      next();
    }
  }

  const value: Value = {
    of: "value",
    dictionary,
    kind: "dictionary",
    key: null,
    start: dictionary.node,
    isAlias: false,
    steps: 0,
    hasDefault: false,
    creates: false,
    field: null,
  };
  const to = add(dictionary.file);
  place(dictionary.home, value);
  // A field's own line is no reference, and no key of an object is.
  const { in: home } = dictionary.home;
  if (home !== "scope" && home !== "path" && viewOf(dictionary.node).is !== "attribute") {
    use(value, { pattern: "declare", reason: null, start: dictionary.node, node: dictionary.node, details: {} });
  }
  for (;;) {
    drain();
    if (elsewhere.length === 0 || !goesOn()) return;
    for (const { path, name } of elsewhere.splice(0)) for (const importer of tree.importers(path, name)) open(importer);
  }
}

function producer({ parameters }: Extract<View, { is: "function" }>, result: Value): Meaning {
  const own = parameters.filter(({ name }) => !/^(self|cls)$/.test(textOf(name)));
  const keyParameter = own.findIndex(({ name }) => textOf(name) === result.key);
  return { of: "producer", result, keyParameter: keyParameter === -1 ? null : keyParameter };
}

function use({ dictionary }: Value, found: FoundUse): void {
  const { start, node, pattern } = found;
  const isKnown = dictionary.uses.some(
    (other) => other.pattern === pattern && other.start === start && other.node === node,
  );
  if (!isKnown) dictionary.uses.push(found);
}

function dictionaryOf(meaning: Meaning): Dictionary | null {
  if (meaning.of === "holder") return null;
  return meaning.of === "producer" ? meaning.result.dictionary : meaning.dictionary;
}

function idOf({ file, node }: Dictionary): string {
  return `${file.path}:${node.start}`;
}
