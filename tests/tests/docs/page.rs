//! A page's console blocks: what is run, in which sandbox, and what it is said to print.

/// A part of one page that runs in its own sandbox.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scene {
    /// What follows `sandbox:` in the comment that begins it.
    pub(super) kind: Kind,
    /// What is run, in order.
    pub(super) steps: Vec<Step>,
}

/// What a scene starts with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A fresh sandbox, whose environment the commands have.
    #[default]
    Fresh,
    /// The same, but the configuration document of the working tree is found by its place alone.
    WithConfig,
    /// No sandbox: the page starts one itself.
    None,
}

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The line of the page where it stands, from 1.
    pub(super) line: usize,
    /// What is typed, which may be several lines.
    pub(super) command: String,
    /// The exit code that it ends with.
    pub(super) exit: i32,
    /// What it prints; `None` for one of an invisible comment, which only has to succeed.
    pub(super) output: Option<Vec<String>>,
}

/// What a page holds.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) scenes: Vec<Scene>,
    /// Why each console block that is not run is not run.
    pub(super) not_run: Vec<String>,
}

/// Reads the text of a page. An error names the line.
pub(super) fn parse(text: &str) -> Result<Page, String> {
    let mut page = Page::default();
    let mut reason: Option<String> = None;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        let wrong = |what: &str| format!("line {number}: {what}");
        if let Some(opened) = line.strip_prefix("<!-- ") {
            let mut comment = opened.to_owned();
            while !comment.contains("-->") {
                let (_, line) = lines.next().ok_or_else(|| wrong("the comment has no end"))?;
                comment = comment + "\n" + line;
            }
            let comment = comment.split("-->").next().unwrap_or_default().trim();
            let (head, script) = comment.split_once('\n').unwrap_or((comment, ""));
            if let Some(rest) = head.strip_prefix("sandbox") {
                let kind = match rest.trim() {
                    "" => Kind::Fresh,
                    ": none" => Kind::None,
                    ": with config" => Kind::WithConfig,
                    other => return Err(wrong(&format!("`{other}` is no kind of sandbox"))),
                };
                page.scenes.push(Scene { kind, steps: prepared(number, script) });
            } else if head.trim() == "run" {
                let scene = page.scenes.last_mut().ok_or_else(|| wrong("there is no sandbox yet"))?;
                scene.steps.extend(prepared(number, script));
            } else if let Some(rest) = head.strip_prefix("not run") {
                let why = rest.trim_start_matches(':').trim();
                if why.is_empty() {
                    return Err(wrong("`not run` needs a reason: <!-- not run: reason -->"));
                }
                reason = Some(why.to_owned());
            }
        } else if let Some(language) = line.trim_start().strip_prefix("```") {
            let mut block = Vec::new();
            loop {
                match lines.next() {
                    Some((_, line)) if line.trim() == "```" => break,
                    Some(line) => block.push(line),
                    None => return Err(wrong("the block has no end")),
                }
            }
            match (language, reason.take()) {
                ("console", Some(why)) => page.not_run.push(why),
                ("console", None) => {
                    let scene = page.scenes.last_mut().ok_or_else(|| {
                        wrong("a console block needs `<!-- sandbox -->` or `<!-- not run: reason -->` before it")
                    })?;
                    scene.steps.extend(commands(&block)?);
                }
                (_, Some(_)) => return Err(wrong("`not run` stands before a block that is not `console`")),
                (_, None) => {}
            }
        }
    }
    Ok(page)
}

/// The lines of an invisible comment.
fn prepared(number: usize, script: &str) -> Vec<Step> {
    let lines = script.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| Step { line: number, command: line.to_owned(), exit: 0, output: None }).collect()
}

/// The commands of a console block with their outputs.
fn commands(block: &[(usize, &str)]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (number, line) in block {
        if let Some(step) = steps.last_mut().filter(|_| goes_on) {
            step.command = format!("{}\n{line}", step.command);
        } else if let Some(typed) = line.strip_prefix("$ ") {
            let command = typed.to_owned();
            steps.push(Step { line: *number, command, exit: 0, output: Some(Vec::new()) });
        } else if let Some(output) = steps.last_mut().and_then(|step| step.output.as_mut()) {
            output.push((*line).to_owned());
            continue;
        } else {
            return Err(format!("line {number}: a console block begins with `$ `"));
        }
        goes_on = line.ends_with('\\');
        if let Some(step) = steps.last_mut()
            && let Some((_, code)) = step.command.rsplit_once("# exit ")
        {
            step.exit =
                code.trim().parse().map_err(|_| format!("line {number}: `{code}` is no exit code"))?;
        }
    }
    Ok(steps)
}

/// `text` with new outputs; each names the line of its command.
pub(super) fn rewritten(text: &str, outputs: &[(usize, Vec<String>)]) -> String {
    let mut written = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line)).peekable();
    while let Some((number, line)) = lines.next() {
        written.push(line.to_owned());
        let Some((_, output)) = outputs.iter().find(|(command, _)| *command == number) else { continue };
        let mut goes_on = line.ends_with('\\');
        while let Some((_, line)) =
            lines.next_if(|(_, line)| goes_on || !(line.starts_with("$ ") || *line == "```"))
        {
            if goes_on {
                written.push(line.to_owned());
            }
            goes_on = goes_on && line.ends_with('\\');
        }
        written.extend(output.iter().cloned());
    }
    written.join("\n") + "\n"
}

#[test]
fn a_page_is_its_scenes_and_what_is_not_run() {
    let text = "<!-- sandbox\nprepare a\n-->\n```console\n$ one \\\n    two  # exit 6\nout\n$ three\n```\n<!-- run\nb\n-->\n\
                ```sh\n$ shell\n```\n<!-- not run: asks -->\n```console\n$ four\n```\n<!-- sandbox: none -->\n";
    let page = parse(text).unwrap();
    let step = |line, command: &str, exit, output: Option<&[&str]>| Step {
        line,
        command: command.to_owned(),
        exit,
        output: output.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()),
    };
    let steps = vec![
        step(1, "prepare a", 0, None),
        step(5, "one \\\n    two  # exit 6", 6, Some(&["out"])),
        step(8, "three", 0, Some(&[])),
        step(10, "b", 0, None),
    ];
    let second = Scene { kind: Kind::None, steps: Vec::new() };
    assert_eq!(page.scenes, [Scene { kind: Kind::Fresh, steps }, second]);
    assert_eq!(page.not_run, ["asks"]);
    let new = rewritten(text, &[(5, vec!["a".to_owned(), "b".to_owned()]), (8, vec!["c".to_owned()])]);
    assert!(new.contains("$ one \\\n    two  # exit 6\na\nb\n$ three\nc\n```\n<!-- run"), "{new}");
}

#[test]
fn what_a_page_must_say_is_demanded() {
    for (text, why) in [
        ("```console\n$ a\n```\n", "line 1: a console block needs"),
        ("<!-- not run: -->\n```console\n$ a\n```\n", "line 1: `not run` needs a reason"),
        ("<!-- not run -->\n```console\n$ a\n```\n", "line 1: `not run` needs a reason"),
        ("<!-- not run: x -->\n```sh\na\n```\n", "line 2: `not run` stands before"),
        ("<!-- sandbox: big -->\n", "line 1: `: big` is no kind of sandbox"),
        ("<!-- run\na\n-->\n", "line 1: there is no sandbox yet"),
        ("<!-- sandbox -->\n```console\na\n```\n", "line 3: a console block begins with"),
        ("<!-- sandbox -->\n```console\n$ a # exit x\n```\n", "line 3: `x` is no exit code"),
        ("<!-- sandbox -->\n```console\n$ a\n", "line 2: the block has no end"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(why), "{text}: {error}");
    }
}
