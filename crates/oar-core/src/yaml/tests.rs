//! The vectors hold what PyYAML 6.0.3 writes (block style, width 80, `|` for texts with line breaks) and reads for
//! texts and trees that we made up. A tree is one of `{"t": text}`, `{"n": null}`, `{"b": truth}`, `{"i": digits}`,
//! `{"f": float}`, `{"v": null}` (a time), `{"s": [items]}`, `{"m": [[key, value]]}`.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

fn rewritten(text: &str) -> String {
    emit(&parse(text).unwrap().root)
}

fn vectors(text: &str) -> Vec<Json> {
    serde_json::from_str(text).unwrap()
}

fn node(tree: &Json) -> Node {
    let (kind, value) = tree.as_object().unwrap().iter().next().unwrap();
    let digits = || value.as_str().unwrap().to_owned();
    let scalar = |text: String, kind| Node::new(Value::Scalar(Scalar { text, kind }));
    match kind.as_str() {
        "t" => Node::text(digits()),
        "n" => Node::null(),
        "b" => Node::bool(value.as_bool().unwrap()),
        "i" => scalar(digits(), Kind::Integer(digits())),
        "f" => scalar(digits(), Kind::Float(digits().parse().unwrap())),
        "s" => Node::sequence(value.as_array().unwrap().iter().map(node).collect()),
        "m" => {
            let mut mapping = Mapping::new();
            for entry in value.as_array().unwrap() {
                mapping.push(node(&entry[0]), node(&entry[1]));
            }
            Node::mapping(mapping)
        }
        other => panic!("{other}"),
    }
}

/// Whether `found` is what PyYAML reads; times are compared only by type.
fn same(found: &Node, expected: &Json) -> bool {
    let (kind, value) = expected.as_object().unwrap().iter().next().unwrap();
    match (&found.value, kind.as_str()) {
        (Value::Scalar(Scalar { kind: Kind::Verbatim, .. }), "v") => true,
        (Value::Sequence(items), "s") => {
            let expected = value.as_array().unwrap();
            items.len() == expected.len() && items.iter().zip(expected).all(|(item, tree)| same(item, tree))
        }
        (Value::Mapping(mapping), "m") => {
            let expected = value.as_array().unwrap();
            mapping.len() == expected.len()
                && mapping
                    .iter()
                    .zip(expected)
                    .all(|((key, value), entry)| same(key, &entry[0]) && same(value, &entry[1]))
        }
        (Value::Scalar(_), "t" | "n" | "b" | "i" | "f") => *found == node(expected),
        _ => false,
    }
}

#[test]
fn texts_are_written_as_pyyaml_writes_them() {
    let vectors = vectors(include_str!("vectors/texts.json"));
    assert!(vectors.len() > 150);
    for vector in vectors {
        let text = vector["text"].as_str().unwrap();
        let yaml = vector["yaml"].as_str().unwrap();
        let inner = Node::mapping(Mapping::from([("b", Node::text(text))]));
        let tree = Node::mapping(Mapping::from([("a", Node::sequence(vec![inner]))]));
        assert_eq!(emit(&tree), yaml, "{text:?}");
        assert_eq!(parse(yaml).unwrap().root, tree, "{text:?}");
    }
}

#[test]
fn trees_are_written_as_pyyaml_writes_them() {
    for vector in vectors(include_str!("vectors/trees.json")) {
        let yaml = vector["yaml"].as_str().unwrap();
        let tree = node(&vector["tree"]);
        assert_eq!(emit(&tree), yaml);
        assert_eq!(parse(yaml).unwrap().root, tree, "{yaml}");
    }
}

#[test]
fn documents_are_read_as_pyyaml_reads_them() {
    for vector in vectors(include_str!("vectors/loads.json")) {
        let yaml = vector["yaml"].as_str().unwrap();
        let read = parse(yaml).map(|document| document.root);
        match (&vector["tree"], read) {
            (Json::Null, Err(_)) => {}
            (Json::Null, Ok(root)) => panic!("{yaml:?} should be refused, but is {root:?}"),
            (expected, Ok(root)) => assert!(same(&root, expected), "{yaml:?}: {root:?}"),
            (_, Err(error)) => panic!("{yaml:?}: {error}"),
        }
    }
}

#[test]
fn what_pyyaml_loses_is_written_so_that_it_is_kept() {
    // PyYAML writes these characters unescaped and reads different ones back, or cannot read its own output.
    for (text, written) in
        [("a\u{85}b", "\"a\\Nb\"\n"), ("\u{2028}a\nb", "\"\\La\\nb\"\n"), ("a\nb\u{2029}", "\"a\\nb\\P\"\n")]
    {
        assert_eq!(emit(&Node::text(text)), written);
        assert_eq!(parse(written).unwrap().root, Node::text(text));
    }
}

#[test]
fn unknown_values_keep_their_type_when_they_are_written_again() {
    let text = "a: yes\nb: [1, 0x1F, 4.20, ~, 017]\nc: 2026-07-01T10:00:06Z\nd: 1e3\ne: 1_0.5\n";
    let expected = "a: true\nb:\n- 1\n- 31\n- 4.2\n- null\n- 15\nc: 2026-07-01T10:00:06Z\nd: 1e3\ne: 10.5\n";
    assert_eq!(rewritten(text), expected);
    let long = format!("a: 0x{}\n", "f".repeat(40));
    assert_eq!(rewritten(&long), long);
}

#[test]
fn a_key_that_stands_twice_is_named_with_both_lines() {
    let message = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(
        message("a: 1\nb: 2\na: 3\n"),
        "3:1: the key `a` occurs twice in this mapping, first at line 1 and again at line 3"
    );
    assert!(message("x: {k: 1, 'k': 2}\n").contains("`k` occurs twice"));
    assert!(message("yes: 1\ntrue: 2\n").contains("occurs twice"));
    assert!(message("1: a\n1.0: b\n").contains("occurs twice"));
    assert!(parse("1: a\n'1': b\n").is_ok());
}

#[test]
fn errors_say_where() {
    for (text, start) in [
        ("a: 1\nb: [1\n", "3:1: not valid YAML"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document"),
        ("a:\n  x\u{7}y\n", "2:4: the control character U+0007"),
        ("a:\n\tb: 1\n", "2:2: not valid YAML: tabs disallowed"),
        ("a:\n- \tb\n", "2:3: there is a tab here"),
        ("a: !secret x\n", "1:4: the tag `!secret` is not supported"),
        ("a: !!int x\n", "1:4: `x` is not a value of the tag"),
        ("? [a]\n: b\n", "1:3: a key must be a scalar, but this is a list"),
        ("a:\n  <<: 1\n", "2:3: `<<` needs a mapping"),
        ("a: &x [*x]\n", "1:8: this alias refers to a value that contains it"),
    ] {
        let message = parse(text).unwrap_err().to_string();
        assert!(message.starts_with(start), "{text:?}: {message}");
    }
}

#[test]
fn what_a_file_may_make_us_build_is_bounded() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.extend([format!("a{level}: &a{level} [{inner}]\n")]);
    }
    assert!(parse(&bomb).unwrap_err().to_string().contains("more than 500000 values"));
    let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(parse(&deep).unwrap_err().to_string().contains("nested deeper than 64"));
    let wide = "- ".repeat(100) + "x\n";
    assert!(parse(&wide).unwrap_err().to_string().contains("nested deeper than 64"));
    let large = format!("a: {}\n", "x".repeat(9 << 20));
    assert!(parse(&large).unwrap_err().to_string().contains("at most 8388608 are read"));
}

#[test]
fn comments_are_found_and_nothing_else_is_taken_for_one() {
    let text = "# one\na: x # two\nb: 'y # no'\nc: | # three\n  # no\n  text # no\n# four\nd: a#b\ne: \"#\"\n\
                f: [1, # five\n  2]\ng: plain\n  # six\nh: '#é' #sieben\n";
    let found: Vec<_> = parse(text).unwrap().comments.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["1:1", "2:6", "4:6", "7:1", "10:8", "13:3", "14:9"]);
    assert_eq!(parse("a: |\n  x\n\n# end").unwrap().comments.len(), 1);
    assert!(parse("a: b\tc\nd: |\n  e\tf\ng: 'h\ti' # j\tk\n").is_ok(), "tabs within scalars and comments");
}

#[test]
fn positions_are_those_of_the_values() {
    let root = parse("\u{feff}a: 1\nbé:\n- c: 'x'\n  d: |-\n    y\n").unwrap().root;
    let list = root.as_mapping().unwrap().get("bé").unwrap();
    let item = list.as_sequence().unwrap()[0].as_mapping().unwrap();
    assert_eq!(list.position.line, 3);
    assert_eq!(item.get("c").unwrap().position, Position { line: 3, column: 6 });
}

#[test]
fn a_document_that_is_one_text_is_read_back_the_same() {
    let pieces = ["", "\n", " ", "a", "#", "-", "'"];
    for first in pieces {
        for second in pieces {
            for third in pieces {
                let text = [first, second, third].concat();
                let written = emit(&Node::text(text.as_str()));
                assert_eq!(parse(&written).unwrap().root, Node::text(text.as_str()), "{text:?}: {written:?}");
            }
        }
    }
    assert_eq!(emit(&Node::text("\n")), "\"\\n\"\n");
}

/// Texts in which any rules of the dialect may be combined.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,12}",
        3 => Just(" ".to_owned()),
        2 => prop::sample::select(vec!["\n", "\n\n", "  ", " \n", "\n ", "\t", ": ", " #", "- ", "'", "\"", "\\"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["é", "→", "😀", "\u{85}", "\u{2028}", "\u{feff}", "\u{a0}", "\u{7f}", "\r"])
            .prop_map(str::to_owned),
        1 => prop::sample::select(vec!["yes", "null", "4.20", "017", "12:30", "2026-07-01", "---", "...", "?", "<<"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..50).prop_map(|pieces| pieces.concat())
}

fn trees() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        6 => texts().prop_map(Node::text),
        1 => Just(Node::null()),
        1 => any::<bool>().prop_map(Node::bool),
        1 => any::<u64>().prop_map(Node::integer),
        1 => any::<f64>().prop_map(|value| {
            Node::new(Value::Scalar(Scalar { text: value.to_string(), kind: Kind::Float(value) }))
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Node::sequence),
            prop::collection::btree_map(texts(), inner, 0..4).prop_map(|entries| {
                let mut mapping = Mapping::new();
                for (key, value) in entries {
                    mapping.push(Node::text(key), value);
                }
                Node::mapping(mapping)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same(tree in trees()) {
        let text = emit(&tree);
        let back = parse(&text).unwrap().root;
        prop_assert!(back == tree || has_nan(&tree), "{}", text);
        prop_assert_eq!(emit(&back), text);
    }

    #[test]
    fn a_text_stays_one_for_readers_of_both_versions(text in texts()) {
        // An independent reader of YAML 1.2, which knows no sexagesimal numbers and no `yes`.
        let written = emit(&Node::mapping(Mapping::from([("a", Node::text(text.as_str()))])));
        if text.contains(['\u{2028}', '\u{2029}']) {
            return Ok(());
        }
        if resolve(&text) != Kind::Text || text.is_empty() {
            prop_assert!(written.starts_with("a: '") || written.starts_with("a: \""), "{}", written);
        }
        let read: serde_yaml::Value = serde_yaml::from_str(&written).unwrap();
        if let serde_yaml::Value::String(read) = &read["a"] {
            prop_assert_eq!(read, &text, "{}", written);
        } else {
            // Rule 10: a number only in YAML 1.2, such as `1e5`, stays plain as PyYAML writes it.
            prop_assert_eq!(resolve(&text), Kind::Text);
            prop_assert!(!written.contains(['\'', '"']), "{}", written);
        }
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,80}", lines in prop::collection::vec("[ \\-a:'\"|>#&*!\\[\\]{},?%@\t]{0,12}", 0..8)) {
        let _ = parse(&text);
        let _ = parse(&lines.join("\n"));
    }
}

fn has_nan(tree: &Node) -> bool {
    emit(tree).contains(".nan")
}
