//! Every module of `oar-core` stands on a floor and uses only what is below it. The floors are described in
//! `AGENTS.md`; this test reads the source, and `page` compares that page with it.
//!
//! Only what the product is made of counts. A test may set up a module with whatever uses it, so `#[cfg(test)]` items
//! and the files behind them are left out. Links in comments are no imports.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The floors from the bottom: what stands on one may use everything below. Modules of one floor may use each other, but
/// never in a circle.
const FLOORS: [&[&str]; 15] = [
    &[
        "clock", "email", "error", "failures", "files", "ids", "permit", "redact", "schema", "service",
        "targets", "version",
    ],
    &["yaml"],
    &["http"],
    &["signature"],
    &["config"],
    &["clients"],
    &["store"],
    &["prow", "statebox"],
    &["notify"],
    &["flow"],
    &["operators"],
    &["tasks"],
    &["agents"],
    &["drive"],
    &["operations"],
];

/// What a module does not use although it stands below: it would know what is not its business.
const STRANGERS: [(&str, &[&str]); 7] = [
    ("store", &["config", "http"]),
    ("prow", &["http", "statebox"]),
    ("statebox", &["clients", "config", "http", "prow"]),
    ("notify", &["prow", "statebox", "store"]),
    ("flow", &["clients", "config", "http", "prow"]),
    ("operators", &["http", "prow", "store"]),
    ("tasks", &["http"]),
];

#[test]
fn no_module_uses_one_above_it() {
    let uses = uses_between_modules();
    let unplaced: Vec<_> = uses.keys().filter(|module| floor_of(module).is_none()).collect();
    assert!(unplaced.is_empty(), "not on any floor: {unplaced:?}");
    let upwards: Vec<String> = uses
        .iter()
        .flat_map(|(module, used)| used.iter().map(move |(other, files)| (module, other, files)))
        .filter(|(module, other, _)| floor_of(module) < floor_of(other))
        .map(|(module, other, files)| format!("{module} uses {other} above it, in {}", listed(files)))
        .collect();
    assert!(upwards.is_empty(), "{}", upwards.join("\n"));
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let mut left = uses_between_modules();
    // Whoever uses nothing that is left is in no circle.
    while let Some(free) = left
        .iter()
        .find(|(_, used)| used.keys().all(|other| !left.contains_key(other)))
        .map(|(name, _)| name.clone())
    {
        left.remove(&free);
    }
    assert!(left.is_empty(), "in a circle, or above one: {:?}", left.keys());
}

#[test]
fn no_module_uses_what_is_not_its_business() {
    let uses = uses_between_modules();
    let strange: Vec<String> = STRANGERS
        .iter()
        .flat_map(|(module, strangers)| strangers.iter().map(move |stranger| (*module, *stranger)))
        .filter_map(|(module, stranger)| Some((module, stranger, uses.get(module)?.get(stranger)?)))
        .map(|(module, stranger, files)| format!("{module} uses {stranger}, in {}", listed(files)))
        .collect();
    assert!(strange.is_empty(), "{}", strange.join("\n"));
}

#[test]
fn operators_use_words_of_the_statebox_alone() {
    let words = BTreeSet::from(["DropIntent", "TaskName", "TaskStatus"].map(str::to_owned));
    let mut named = BTreeSet::new();
    for file in source().files.iter().filter(|file| file.starts_with("operators")) {
        names_below("statebox", &tokens_of(&sources().join(file)), &mut named);
    }
    assert_eq!(named, words, "an operator is given what else it needs");
}

#[test]
fn every_module_of_the_floors_exists() {
    let uses = uses_between_modules();
    let missing: Vec<_> = FLOORS.concat().into_iter().filter(|module| !uses.contains_key(*module)).collect();
    assert!(missing.is_empty(), "no such modules: {missing:?}");
}

/// A client that is given a permit gives it to the request, which asks it before each attempt, so that nothing is sent while a
/// release is held. Files of the state may be written then, and leases of replicas belong to no release.
#[test]
fn every_client_asks_the_permit_that_it_is_given() {
    let exempt =
        |file: &Path| file.starts_with("clients/github") || file == Path::new("clients/kube/lease.rs");
    let clients = source().files.into_iter().filter(|file| file.starts_with("clients") && !exempt(file));
    let mut asked = 0;
    for file in clients {
        let text = fs::read_to_string(sources().join(&file)).unwrap();
        assert!(
            !text.contains("_permit: &WritePermit"),
            "{} takes a permit and does not ask it",
            file.display()
        );
        // Asked earlier, it could be refused while the request waits.
        assert!(!text.contains("permit.begin("), "{} asks before the request is sent", file.display());
        let takes = text.contains("permit: &WritePermit");
        let gives = text.matches(".permitted(permit)").count() + text.matches("permit.barrier()").count();
        let passes = text.matches(", permit)").count();
        assert!(!takes || gives + passes > 0, "{} takes a permit and gives it to no request", file.display());
        asked += gives;
    }
    assert!(asked > 20, "only {asked} writes ask");
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn listed(files: &BTreeSet<PathBuf>) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// For each module right below the crate: which others it uses, and in which files.
type Uses = BTreeMap<String, BTreeMap<String, BTreeSet<PathBuf>>>;

fn uses_between_modules() -> Uses {
    source().uses
}

/// The folder of the crate's source.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules of the product, read from its source.
fn source() -> Reader {
    let root = sources();
    let mut reader = Reader { root: root.clone(), uses: Uses::new(), files: BTreeSet::new() };
    for name in modules_of(&root.join("lib.rs")) {
        reader.uses.insert(name.clone(), BTreeMap::new());
        reader.read_module(&name, std::slice::from_ref(&name), &root);
    }
    reader
}

/// Follows the `mod` items of the product from file to file.
struct Reader {
    root: PathBuf,
    uses: Uses,
    /// Every file of the product but the crate's own, below the folder of the source.
    files: BTreeSet<PathBuf>,
}

impl Reader {
    /// Reads the file of the module `name` in `folder`, whose path from the crate's root is `path`, and those below it.
    fn read_module(&mut self, name: &str, path: &[String], folder: &Path) {
        let below = folder.join(name);
        let file =
            [folder.join(format!("{name}.rs")), below.join("mod.rs")].into_iter().find(|file| file.exists());
        let file = file.unwrap_or_else(|| panic!("no file of {}", path.join("::")));
        let mut used = BTreeSet::new();
        collect(&tokens_of(&file), path, &mut used);
        let shown = file.strip_prefix(&self.root).unwrap().to_owned();
        self.files.insert(shown.clone());
        let of_module = self.uses.entry(path[0].clone()).or_default();
        for other in used.into_iter().filter(|other| *other != path[0]) {
            of_module.entry(other).or_default().insert(shown.clone());
        }
        for child in modules_of(&file) {
            self.read_module(&child, &[path, std::slice::from_ref(&child)].concat(), &below);
        }
    }
}

/// The modules that a file declares, but for those of tests.
fn modules_of(file: &Path) -> Vec<String> {
    let mut found = Vec::new();
    each_product_item(&tokens_of(file), &mut |tokens| {
        if let [TokenTree::Ident(word), TokenTree::Ident(name), TokenTree::Punct(end), ..] = tokens
            && word == "mod"
            && end.as_char() == ';'
        {
            found.push(name.to_string());
        }
    });
    found
}

fn tokens_of(file: &Path) -> TokenStream {
    let text = fs::read_to_string(file).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Calls `found` with what follows each place that an item of the product may begin at.
fn each_product_item(tokens: &TokenStream, found: &mut impl FnMut(&[TokenTree])) {
    let product = without_tests(tokens);
    for index in 0..product.len() {
        found(&product[index..]);
    }
}

/// Collects the modules right below the crate that `tokens`, in the module `path`, name.
fn collect(tokens: &TokenStream, path: &[String], used: &mut BTreeSet<String>) {
    let tokens = without_tests(tokens);
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index..];
        match token {
            TokenTree::Group(group) => {
                let inner = match &tokens[..index] {
                    [.., TokenTree::Ident(word), TokenTree::Ident(name)] if word == "mod" => {
                        [path, &[name.to_string()]].concat()
                    }
                    _ => path.to_vec(),
                };
                collect(&group.stream(), &inner, used);
            }
            TokenTree::Ident(word) if word == "crate" => {
                if let Some(after) = after_colons(&rest[1..]) {
                    used.extend(first_names(after));
                }
            }
            // Only the first of several: `super::super::x` is one path.
            TokenTree::Ident(word) if word == "super" && !is_super_path(&tokens[..index]) => {
                let (mut depth, mut after) = (path.len(), rest);
                while let [TokenTree::Ident(word), following @ ..] = after
                    && word == "super"
                    && let Some(next) = after_colons(following)
                {
                    depth -= 1;
                    after = next;
                }
                if depth == 0 {
                    used.extend(first_names(after));
                }
            }
            _ => {}
        }
    }
}

/// Collects what `tokens` name right below `module`.
fn names_below(module: &str, tokens: &TokenStream, found: &mut BTreeSet<String>) {
    let tokens = without_tests(tokens);
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => names_below(module, &group.stream(), found),
            TokenTree::Ident(word) if word == module => {
                found.extend(after_colons(&tokens[index + 1..]).map(first_names).unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Whether `before` ends with `super::`.
fn is_super_path(before: &[TokenTree]) -> bool {
    matches!(before, [.., TokenTree::Ident(word), TokenTree::Punct(_), TokenTree::Punct(colon)]
        if word == "super" && colon.as_char() == ':')
}

/// What follows `::`, when `tokens` begin with it.
fn after_colons(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [TokenTree::Punct(first), TokenTree::Punct(second), rest @ ..]
            if first.as_char() == ':' && second.as_char() == ':' =>
        {
            Some(rest)
        }
        _ => None,
    }
}

/// The first names of a path or of a `{…}` of paths.
fn first_names(tokens: &[TokenTree]) -> Vec<String> {
    match tokens.first() {
        Some(TokenTree::Ident(name)) => vec![name.to_string()],
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            inner
                .split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','))
                .flat_map(first_names)
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The tokens without items that are there for tests alone, and without attributes.
fn without_tests(tokens: &TokenStream) -> Vec<TokenTree> {
    let all: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut kept = Vec::new();
    let mut rest = all.as_slice();
    while let [first, after @ ..] = rest {
        let Some((attribute, following)) = attribute(rest) else {
            kept.push(first.clone());
            rest = after;
            continue;
        };
        rest = if attribute == "cfg(test)" { after_item(following) } else { following };
    }
    kept
}

/// The content of the attribute that `tokens` begin with, without spaces, and what follows it.
fn attribute(tokens: &[TokenTree]) -> Option<(String, &[TokenTree])> {
    match tokens {
        [TokenTree::Punct(hash), TokenTree::Group(group), rest @ ..]
            if hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket =>
        {
            let text: String = group.stream().to_string();
            Some((text.split_whitespace().collect(), rest))
        }
        _ => None,
    }
}

/// What follows the item that `tokens` begin with: it ends with a semicolon or, but for imports, with braces.
fn after_item(mut tokens: &[TokenTree]) -> &[TokenTree] {
    while let Some((_, following)) = attribute(tokens) {
        tokens = following;
    }
    // `use`, `pub use`, `pub(crate) use`
    let is_import =
        tokens.iter().take(3).any(|token| matches!(token, TokenTree::Ident(word) if word == "use"));
    let end = tokens.iter().position(|token| match token {
        TokenTree::Punct(end) => end.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && !is_import,
        _ => false,
    });
    end.map_or(&[], |end| &tokens[end + 1..])
}

#[test]
fn every_form_of_a_use_is_seen() {
    let source = r#"
        use crate::first::Thing;
        pub(crate) use crate::{second::{Thing, Other}, third};
        #[cfg(test)]
        use crate::{only_in_tests::Thing, also_only_in_tests};
        use crate::fourth as renamed;
        // use crate::in_a_comment;
        /// [`crate::in_a_link`]
        fn work() -> crate::fifth::Thing {
            let text = "crate::in_a_text";
            assert_eq!(crate::sixth::LIMIT, super::super::seventh::LIMIT);
            self::work(); super::work(); Self::work()
        }
        mod inner { use super::super::super::eighth::Thing; use super::super::sibling; }
        #[cfg(test)]
        #[expect(unused)]
        mod tests { use crate::in_a_test_module::Thing; }
        const LAST: u32 = crate::ninth::LIMIT;
    "#;
    let mut used = BTreeSet::new();
    collect(&source.parse().unwrap(), &["module".to_owned(), "file".to_owned()], &mut used);
    let expected = ["eighth", "fifth", "first", "fourth", "ninth", "second", "seventh", "sixth", "third"];
    assert_eq!(used.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}
