//! The `tree` parameter: which fields of a document are wanted, `builds[number,url]{0,50}`.

use serde_json::{Map, Value};

/// One wanted field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    name: String,
    inner: Vec<Field>,
    range: Option<(usize, usize)>,
}

/// Reads the parameter.
pub(super) fn parse(text: &str) -> Result<Vec<Field>, String> {
    let mut rest = text.chars().peekable();
    let fields = list(&mut rest, 0)?;
    match rest.next() {
        None => Ok(fields),
        Some(other) => Err(format!("tree: unexpected {other}")),
    }
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn list(rest: &mut Letters<'_>, depth: usize) -> Result<Vec<Field>, String> {
    if depth > 10 {
        return Err("tree: too deep".to_owned());
    }
    let mut fields = Vec::new();
    loop {
        let mut field = Field::default();
        while let Some(letter) =
            rest.next_if(|letter| letter.is_ascii_alphanumeric() || "_*".contains(*letter))
        {
            field.name.push(letter);
        }
        if field.name.is_empty() {
            return Err("tree: a name is missing".to_owned());
        }
        if rest.next_if_eq(&'[').is_some() {
            field.inner = list(rest, depth + 1)?;
            rest.next_if_eq(&']').ok_or("tree: a bracket is open")?;
        }
        if rest.next_if_eq(&'{').is_some() {
            let mut range = String::new();
            while let Some(letter) = rest.next_if(|letter| *letter != '}') {
                range.push(letter);
            }
            rest.next_if_eq(&'}').ok_or("tree: a brace is open")?;
            let (from, to) = range.split_once(',').ok_or("tree: a range is FROM,TO")?;
            let number =
                |text: &str, default: usize| if text.is_empty() { Ok(default) } else { text.parse() };
            let range = (number(from, 0), number(to, usize::MAX));
            let (Ok(from), Ok(to)) = range else { return Err("tree: a range is FROM,TO".to_owned()) };
            field.range = Some((from, to));
        }
        fields.push(field);
        if rest.next_if_eq(&',').is_none() {
            return Ok(fields);
        }
    }
}

/// The wanted part of a document. `_class` is always there.
pub(super) fn select(value: &Value, fields: &[Field]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| select(item, fields)).collect(),
        Value::Object(object) if !fields.is_empty() => {
            let mut selected = Map::new();
            if let Some(class) = object.get("_class") {
                selected.insert("_class".to_owned(), class.clone());
            }
            for field in fields {
                let Some(value) = object.get(&field.name) else { continue };
                let value = match (value, field.range) {
                    (Value::Array(items), Some((from, to))) => {
                        items.iter().skip(from).take(to.saturating_sub(from)).cloned().collect()
                    }
                    (value, _) => value.clone(),
                };
                selected.insert(field.name.clone(), select(&value, &field.inner));
            }
            Value::Object(selected)
        }
        other => other.clone(),
    }
}
