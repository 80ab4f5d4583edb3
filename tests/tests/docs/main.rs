//! The documentation: what its examples show is what the programs do, its links and citations lead somewhere, and the
//! words of its entries are those of the programs.
//!
//! `OAR_UPDATE_DOCS=1` updates the outputs; `OAR_DOCS=oar.md` runs only the pages with this in their name.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::expect_used, reason = "a test that cannot do its work fails")]

mod citations;
mod links;
mod output;
mod page;
mod run;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use end_to_end::root;

/// The pages that people read, by their path below the top of the working tree: README.md, `docs/`, and those for whoever
/// changes the code.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "AGENTS.md",
        "crates/mcp-server/AGENTS.md",
        "crates/sandbox/AGENTS.md",
        "tests/AGENTS.md",
        "_releases/README.md",
    ]
    .map(PathBuf::from)
    .to_vec();
    for folder in ["docs", "docs/spec"] {
        let entries = fs::read_dir(root().join(folder)).expect("the folder of the pages");
        let names = entries.map(|entry| entry.expect("a page").file_name());
        let found = names.map(|name| Path::new(folder).join(name));
        paths.extend(found.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    paths.sort();
    let read = |path: PathBuf| (fs::read_to_string(root().join(&path)).expect("a readable page"), path);
    paths.into_iter().map(read).map(|(text, path)| (path, text)).collect()
}

/// The pages of users; those of `docs/spec` hold facts, and examples of other programs.
fn is_for_users(path: &Path) -> bool {
    !path.starts_with("docs/spec") && !path.ends_with("AGENTS.md")
}

#[test]
fn every_console_block_does_what_it_shows() {
    let only = std::env::var("OAR_DOCS").unwrap_or_default();
    let update = std::env::var_os("OAR_UPDATE_DOCS").is_some();
    let mut problems = Vec::new();
    let mut parsed = Vec::new();
    for (path, text) in pages() {
        if !is_for_users(&path) || !path.to_string_lossy().contains(&only) {
            continue;
        }
        match page::parse(&text) {
            Ok(page) => parsed.push((path, text, page)),
            Err(problem) => problems.push(format!("{}: {problem}", path.display())),
        }
    }
    let scenes: Vec<_> = parsed
        .iter()
        .flat_map(|(path, _, page)| page.scenes.iter().map(move |scene| (path, scene)))
        .collect();
    // The longest ones first, so that none is left to run alone at the end.
    let mut order: Vec<usize> = (0..scenes.len()).collect();
    order.sort_by_key(|index| scenes.get(*index).map(|(_, scene)| std::cmp::Reverse(scene.steps.len())));
    let waiting = Mutex::new(order.into_iter());
    let ended = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap().next();
                    let Some((path, scene)) = next.and_then(|index| scenes.get(index)) else { break };
                    let steps = run::run(scene);
                    ended.lock().unwrap().push((*path, steps));
                }
            });
        }
    });
    let ended = ended.into_inner().unwrap();

    let count: usize = scenes.iter().map(|(_, scene)| scene.steps.len()).sum();
    let not_run: usize = parsed.iter().map(|(_, _, page)| page.not_run.len()).sum();
    println!("{count} commands of {} scenes were run; {not_run} blocks are not run", scenes.len());
    for (path, text, page) in &parsed {
        for why in &page.not_run {
            println!("{}: not run: {why}", path.display());
        }
        let mut steps: Vec<&run::Ended<'_>> =
            ended.iter().filter(|(of, _)| *of == path).flat_map(|(_, steps)| steps).collect();
        steps.sort_by_key(|ended| ended.step.line);
        let wrong: Vec<_> = steps.iter().filter_map(|ended| Some((ended, ended.problem()?))).collect();
        if update {
            let outputs: Vec<(usize, Vec<String>)> = wrong
                .iter()
                .filter(|(ended, _)| ended.step.output.is_some())
                .map(|(ended, _)| {
                    (ended.step.line, ended.printed.iter().map(|line| output::example(line)).collect())
                })
                .collect();
            if !outputs.is_empty() {
                fs::write(root().join(path), page::rewritten(text, &outputs))
                    .expect("a page that can be written");
            }
        }
        problems.extend(wrong.into_iter().map(|(_, problem)| format!("{}: {problem}", path.display())));
    }
    assert!(
        problems.is_empty(),
        "{} problems (OAR_UPDATE_DOCS=1 writes the outputs anew):\n\n{}",
        problems.len(),
        problems.join("\n\n")
    );
}

#[test]
fn the_readme_is_short() {
    const LIMIT: usize = 8 * 1024;
    let size = fs::read(root().join("README.md")).expect("README.md").len();
    assert!(size <= LIMIT, "README.md has {size} bytes, more than {LIMIT}; move details to docs/");
}
