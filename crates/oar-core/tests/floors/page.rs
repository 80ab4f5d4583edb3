//! `AGENTS.md`, with the pages of the MCP server, the sandbox and the tests, says what the source says: every file is in a row, every
//! name leads to a file, every "may use" is what is allowed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{FLOORS, STRANGERS, floor_of, source, sources, uses_between_modules};

/// The page of the product, and those of crates with many files.
const PAGES: [&str; 4] =
    ["AGENTS.md", "crates/mcp-server/AGENTS.md", "crates/sandbox/AGENTS.md", "tests/AGENTS.md"];
/// What everybody reads first ends before this heading.
const AFTER_THE_FIRST: &str = "## Where does this line belong?";
/// Which heading of the first page has the floors.
const OF_FLOORS: &str = "### The floors of `oar-core`";

#[test]
fn every_module_is_described() {
    let rows = rows_below(PAGES[0], OF_FLOORS, 3);
    let described: Vec<&str> = rows.iter().flat_map(|row| ticked(&row[0])).collect();
    assert_eq!(described.len(), rows.len(), "a row each");
    assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), FLOORS.concat().into_iter().collect());
}

/// The documentation of the library has the floors, too, for its public modules.
#[test]
fn every_public_module_is_in_the_table_of_the_library() {
    let library = fs::read_to_string(sources().join("lib.rs")).unwrap();
    let table = library.lines().filter(|line| line.starts_with("//! | "));
    let shown: BTreeSet<&str> = table.flat_map(ticked).collect();
    let private = |module: &&str| library.contains(&format!("\nmod {module};"));
    let modules: BTreeSet<&str> = FLOORS.concat().into_iter().filter(|module| !private(module)).collect();
    assert_eq!(shown, modules);
}

#[test]
fn what_a_module_may_use_is_what_it_is_allowed() {
    let uses = uses_between_modules();
    for row in rows_below(PAGES[0], OF_FLOORS, 3) {
        let module = ticked(&row[0])[0];
        let cell = row[2].split([';', ':']).next().unwrap();
        let floor = floor_of(module);
        let strangers = STRANGERS.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, them)| them);
        let allowed = modules(|other| floor_of(other) < floor && !strangers.contains(&other));
        let said = if cell == "everything below" {
            modules(|other| floor_of(other) < floor)
        } else if cell.contains(" and below") {
            let named = ticked(cell);
            modules(|other| floor_of(other) <= floor_of(named[0]) && !named[1..].contains(&other))
        } else {
            let known: BTreeSet<&str> = uses[module].keys().map(String::as_str).collect();
            assert_eq!(ticked(cell).into_iter().collect::<BTreeSet<_>>(), known, "{module} uses");
            continue;
        };
        assert_eq!(said, allowed, "{module} may use");
    }
}

#[test]
fn every_file_of_the_library_is_in_a_row() {
    let files = source().files;
    for module in FLOORS.concat() {
        let of_module: Vec<&PathBuf> = files
            .iter()
            .filter(|file| file.starts_with(module) && file.file_name().is_some_and(|name| name != "mod.rs"))
            .collect();
        if of_module.is_empty() {
            continue;
        }
        let rows = rows_below(PAGES[0], &format!("#### `{module}`\n"), 2);
        let named: Vec<&str> = rows.iter().flat_map(|row| ticked(&row[0])).collect();
        for name in &named {
            assert!(sources().join(name).exists(), "AGENTS.md names {name}, which is nowhere");
        }
        let hidden: Vec<_> = of_module.iter().filter(|file| !is_covered(file, &named)).collect();
        assert!(hidden.is_empty(), "no row of `{module}` has {hidden:?}");
    }
}

#[test]
fn every_crate_is_described() {
    let mut described = BTreeSet::new();
    for row in rows_below(PAGES[0], "### The crates", 3) {
        let name = ticked(&row[0])[0].to_owned();
        described.insert(name.clone());
        if name == "oar-core" {
            continue;
        }
        let root = if name == "end-to-end" { top().join("tests") } else { top().join("crates").join(&name) };
        let files = match name.as_str() {
            "mcp-server" => rows_below(PAGES[1], "## Files", 2),
            "sandbox" => rows_below(PAGES[2], "## Files", 2),
            "end-to-end" => rows_below(PAGES[3], "## Files", 2),
            _ => rows_below(PAGES[0], &format!("#### `{name}`\n"), 2),
        };
        let named: Vec<&str> = files.iter().flat_map(|row| ticked(&row[0])).collect();
        let hidden: Vec<PathBuf> = rust_files(&root.join("src"))
            .into_iter()
            .filter(|file| {
                let name = file.file_name().unwrap().to_str().unwrap();
                let is_test = name == "tests.rs" || file.parent().unwrap().ends_with("tests");
                !is_test && !["lib.rs", "main.rs", "mod.rs"].contains(&name)
            })
            .filter(|file| {
                let shown = file.strip_prefix(root.parent().unwrap()).unwrap();
                !is_covered(shown, &named) && !is_covered(file.strip_prefix(&root).unwrap(), &named)
            })
            .collect();
        assert!(hidden.is_empty(), "no row has {hidden:?}");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        let ours =
            ["agent", "cli-support", "job", "jobctl", "mcp-server", "oar", "oar-core", "oarctl", "sandbox"];
        let used: BTreeSet<&str> = dependencies
            .lines()
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|word| ours.contains(word))
            .collect();
        let said = ticked(row[2].split(';').next().unwrap()).into_iter().collect();
        assert_eq!(used, said, "{name} uses");
    }
    let mut existing: BTreeSet<String> = fs::read_dir(top().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    existing.insert("end-to-end".to_owned());
    assert_eq!(described, existing);
}

#[test]
fn every_test_is_in_a_row() {
    let rows = rows_below(PAGES[3], "## Files", 2);
    let named: Vec<&str> = rows.iter().flat_map(|row| ticked(&row[0])).collect();
    let end_to_end =
        ["src", "tests"].into_iter().flat_map(|folder| rust_files(&top().join("tests").join(folder)));
    let crates = fs::read_dir(top().join("crates")).unwrap().map(|entry| entry.unwrap().path().join("tests"));
    let in_crates = crates.filter(|folder| folder.exists()).flat_map(|folder| rust_files(&folder));
    let hidden: Vec<PathBuf> = end_to_end
        .map(|file| file.strip_prefix(top().join("tests")).unwrap().to_owned())
        .chain(in_crates.map(|file| file.strip_prefix(top()).unwrap().to_owned()))
        .filter(|file| !is_covered(file, &named))
        .collect();
    assert!(hidden.is_empty(), "no row has {hidden:?}");
}

#[test]
fn every_place_that_the_page_names_exists() {
    let prose: String = PAGES.map(|path| page(path).split("```").step_by(2).collect::<String>()).join("\n");
    let places = places_below(&top());
    let mut count = 0;
    for name in ticked(&prose) {
        let is_place = [".rs", ".md", ".yaml", ".py", "/"].iter().any(|end| name.ends_with(end));
        if !is_place || name.starts_with('/') || name.contains(['<', ' ', '*', '$', ':']) {
            continue;
        }
        count += 1;
        assert!(places.iter().any(|place| place.ends_with(name)), "a page names {name}, which is nowhere");
    }
    assert!(count > 300, "{count} places");
}

#[test]
fn the_lines_of_the_example_are_in_its_files() {
    let page = page(PAGES[0]);
    let example = page.split("```diff\n").nth(1).unwrap().split("```").next().unwrap();
    let mut text = String::new();
    for line in example.lines() {
        if let Some(file) = line.strip_prefix("+++ ") {
            text = fs::read_to_string(top().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        } else {
            let line = line.strip_prefix('+').unwrap_or_else(|| panic!("no line of a diff: {line}"));
            assert!(text.contains(line), "AGENTS.md shows a line that is not in its file: {line}");
        }
    }
}

#[test]
fn no_cell_of_the_other_tables_is_blank() {
    assert!(rows_below(PAGES[0], "### Words that mean one thing", 2).len() > 15);
    assert!(rows_below(PAGES[0], "### Leases and locks", 3).len() > 4);
    assert!(rows_below(PAGES[0], AFTER_THE_FIRST, 3).len() > 4);
}

/// A row begins with its subject, so that it is found by it, and says what belongs where in a few sentences.
#[test]
fn the_rows_by_subject_are_short_and_in_order() {
    let page = page(PAGES[0]);
    let by_subject = page.split(AFTER_THE_FIRST).nth(1).unwrap().split("\n## ").next().unwrap();
    let mut count = 0;
    for heading in by_subject.lines().filter(|line| line.starts_with("### ")) {
        let rows = rows_below(PAGES[0], &format!("\n{heading}\n"), 3);
        count += rows.len();
        for row in &rows {
            assert!(row[0].starts_with("**") && row[0].matches("**").count() == 2, "no subject: {}", row[0]);
            let length: usize = row.iter().map(|cell| cell.chars().count()).sum();
            assert!(length < 700, "{length} characters: {}", row[0]);
        }
        let subjects: Vec<String> = rows.iter().map(|row| row[0].to_lowercase()).collect();
        assert!(subjects.is_sorted(), "{heading} is not in order: {subjects:?}");
    }
    assert!(count > 60, "{count} rows");
}

/// What everybody reads first is read in some minutes.
#[test]
fn the_first_part_is_short() {
    let page = page(PAGES[0]);
    let first = page.split(&format!("\n{AFTER_THE_FIRST}")).next().unwrap();
    assert!(first.len() < 25 * 1024, "{} bytes", first.len());
}

/// The folder of the whole project.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn page(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap()
}

/// The cells of the first table below `heading` on the page at `path`, which has `columns` of them in each row.
fn rows_below(path: &str, heading: &str, columns: usize) -> Vec<Vec<String>> {
    let page = page(path);
    let table = page.split(heading).nth(1).unwrap_or_else(|| panic!("{path} has no {heading}"));
    let rows: Vec<Vec<String>> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    for row in &rows {
        assert!(row.len() == columns && row.iter().all(|cell| !cell.is_empty()), "a cell is blank: {row:?}");
    }
    rows
}

/// What stands between backticks.
fn ticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Whether `file` is one of `named`, or below one of the folders (`name/`) there.
fn is_covered(file: &Path, named: &[&str]) -> bool {
    named
        .iter()
        .any(|name| if name.ends_with('/') { file.starts_with(name) } else { file == Path::new(name) })
}

/// The modules that `choice` takes.
fn modules(choice: impl Fn(&str) -> bool) -> BTreeSet<&'static str> {
    FLOORS.concat().into_iter().filter(|module| choice(module)).collect()
}

/// Every Rust file below `folder`.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "rs");
    places_below(folder).into_iter().filter(is_rust).collect()
}

/// Every file and folder below `folder`, but for hidden ones and what is built.
fn places_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(places_below(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}
