use proptest::prelude::*;

use super::*;

/// Any JSON value of a moderate size.
pub(crate) fn values() -> impl Strategy<Value = Value> {
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number.prop_map(|text| Value::Number(Number(text))),
        any::<String>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|entries| {
                let mut map = Map::default();
                for (key, value) in entries {
                    map.set(&key, value);
                }
                Value::Map(map)
            }),
        ]
    })
}

/// The value for another JSON library, without numbers, which it would round.
fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Null | Value::Number(_) => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Text(text) => text.get().into_owned().into(),
        Value::List(list) => list.iter().map(plain).collect(),
        Value::Map(map) => serde_json::Value::Object(
            map.iter().map(|(key, value)| (key.get().into_owned(), plain(value))).collect(),
        ),
    }
}

fn without_numbers(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(_) => serde_json::Value::Null,
        serde_json::Value::Array(list) => list.into_iter().map(without_numbers).collect(),
        serde_json::Value::Object(map) => serde_json::Value::Object(
            map.into_iter().map(|(key, value)| (key, without_numbers(value))).collect(),
        ),
        other => other,
    }
}

#[test]
fn the_bytes_are_those_of_the_reference() {
    // The output of Python's `json.dump(…, indent=2)` for the same values.
    let text = "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": null\n    }\n  ],\n  \
                \"e/\\\"\\\\\": \"\\b\\f\\n\\r\\t\\u0001\\u007f\\u00e9\\u20ac\\ud83d\\ude00/ ~\"\n}";
    let value = Value::parse(text).unwrap();
    assert_eq!(value.to_text(), text);
    let string = value.as_map().unwrap().text("e/\"\\").unwrap().into_owned();
    assert_eq!(string, "\u{8}\u{c}\n\r\t\u{1}\u{7f}é€😀/ ~");
    assert!(text.contains(&Value::from(string).to_text()));
}

#[test]
fn other_spellings_are_read_and_written_exactly() {
    let value =
        Value::parse("\t{\"A\\u00E9\\/\":\r\n[\"é\" ,1.50E+3,-0, 123456789012345678901234567890]} \n")
            .unwrap();
    assert_eq!(
        value.to_text(),
        "{\n  \"A\\u00e9/\": [\n    \"\\u00e9\",\n    1.50E+3,\n    -0,\n    123456789012345678901234567890\n  ]\n}"
    );
}

#[test]
fn half_a_surrogate_pair_survives() {
    let text = r#"["\ud83d", "\ude00\ud83d", "\ud83dA", "\ud83d\ud83d\ude00"]"#;
    let value = Value::parse(text).unwrap();
    assert_eq!(value.to_text().replace("\n  ", "").replace(",\"", ", \"").replace("\n]", "]"), text);
    assert_eq!(value.as_list().unwrap()[2].as_str().unwrap(), "\u{fffd}A");
}

#[test]
fn a_key_that_stands_twice_is_refused_where_it_stands() {
    let error = Value::parse("{\n  \"a\": 1,\n  \"b\": {\"x\": 1, \"\\u0078\": 2}\n}").unwrap_err();
    assert_eq!((error.line, error.column), (3, 17));
    assert!(error.problem.contains("`x` occurs twice"), "{error}");
}

#[test]
fn what_is_no_document_is_refused_where_it_goes_wrong() {
    for (text, line, column) in [
        ("", 1, 1),
        ("{\"a\": 1,}", 1, 9),
        ("[1 2]", 1, 4),
        ("[01]", 1, 3),
        ("[1.]", 1, 4),
        ("[-]", 1, 3),
        ("[1e]", 1, 4),
        ("NaN", 1, 1),
        ("\u{feff}{}", 1, 1),
        ("{}\n{}", 2, 1),
        ("[\"é\", \"\\x\"]", 1, 9),
        ("[\"\\u00g0\"]", 1, 5),
        ("[\"a\nb\"]", 1, 4),
        ("\"abc", 1, 5),
        ("{\"a\" 1}", 1, 6),
        ("{a: 1}", 1, 2),
        ("[1\u{a0}]", 1, 3),
        ("[tru]", 1, 2),
    ] {
        let error = Value::parse(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
    }
}

#[test]
fn a_deep_document_is_refused_and_not_followed() {
    let deep = "[".repeat(100_000);
    assert!(Value::parse(&deep).unwrap_err().problem.contains("deeper"));
    let at_limit = format!("{}{}", "[".repeat(DEEPEST + 1), "]".repeat(DEEPEST + 1));
    assert!(Value::parse(&at_limit).is_ok());
}

#[test]
fn a_set_key_keeps_its_place_and_a_removed_one_leaves_the_order() {
    let mut map = Map::of([("a", true.into()), ("b", 1u64.into()), ("c", "x".into())]);
    map.set("a", false);
    map.remove("b");
    map.set("b", Vec::new());
    let keys: Vec<_> = map.iter().map(|(key, _)| key.get().into_owned()).collect();
    assert_eq!(keys, ["a", "c", "b"]);
    assert_eq!((map.get("a").and_then(Value::as_bool), map.len()), (Some(false), 3));
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_as_the_same_and_written_so_again(value in values()) {
        let text = value.to_text();
        prop_assert!(text.is_ascii());
        let read = Value::parse(&text).unwrap();
        prop_assert_eq!(read.to_text(), text);
        prop_assert_eq!(read, value);
    }

    #[test]
    fn others_read_the_same(value in values()) {
        // The other library refuses numbers beyond its range.
        if let Ok(read) = serde_json::from_str::<serde_json::Value>(&value.to_text()) {
            prop_assert_eq!(without_numbers(read), plain(&value));
        }
    }

    #[test]
    fn parsing_never_panics_and_agrees_with_others_on_what_is_json(text in "[\\[\\]{}\",:0-9eE.+ntrufalse \\\\-]{0,24}") {
        if let Ok(value) = Value::parse(&text) {
            let again = Value::parse(&value.to_text());
            prop_assert_eq!(again.as_ref(), Ok(&value));
        } else if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            let error = Value::parse(&text).unwrap_err();
            prop_assert!(error.problem.contains("occurs twice"), "{} {}", text, error);
        }
    }

    #[test]
    fn any_text_is_kept(text in any::<String>()) {
        let kept = Text::new(&text);
        prop_assert_eq!(kept.get(), text);
    }
}
