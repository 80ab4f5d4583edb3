use super::{DEEPEST, Map, Number, Text, Value, write};

/// A text that is not one JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct JsonError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

type Parsed<T> = Result<T, (usize, String)>;

pub(super) fn document(text: &str) -> Result<Value, JsonError> {
    let mut parser = Parser { text, at: 0 };
    let parsed = parser.value(0).and_then(|value| {
        parser.space();
        match parser.peek() {
            None => Ok(value),
            Some(_) => Err((parser.at, "the document ends before this".to_owned())),
        }
    });
    parsed.map_err(|(at, problem)| {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        JsonError {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            problem,
        }
    })
}

/// The characters of an escaped string.
pub(super) fn unescape(escaped: &str) -> String {
    let mut text = String::with_capacity(escaped.len());
    let mut parser = Parser { text: escaped, at: 0 };
    while let Some(character) = parser.next() {
        let unit = if character == '\\' { parser.escape().ok() } else { Some(Unit::Character(character)) };
        text.push(match unit {
            Some(Unit::Character(character)) => character,
            Some(Unit::HalfPair(_)) | None => char::REPLACEMENT_CHARACTER,
        });
    }
    text
}

/// The meaning of an escape.
enum Unit {
    Character(char),
    /// An unpaired surrogate.
    HalfPair(u16),
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn eat(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    fn space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn skip(&mut self, wanted: impl Fn(u8) -> bool) -> usize {
        let count = self.rest().bytes().take_while(|byte| wanted(*byte)).count();
        self.at += count;
        count
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        let found =
            self.peek().map_or("the end".to_owned(), |character| format!("`{}`", character.escape_debug()));
        Err((self.at, format!("{what} was expected, not {found}")))
    }

    fn value(&mut self, depth: usize) -> Parsed<Value> {
        if depth > DEEPEST {
            return Err((self.at, format!("nested deeper than {DEEPEST} levels")));
        }
        self.space();
        match self.peek() {
            Some('{') => self.map(depth),
            Some('[') => self.list(depth),
            Some('"') => self.string().map(Value::Text),
            Some('-' | '0'..='9') => self.number(),
            _ if self.eat("null") => Ok(Value::Null),
            _ if self.eat("true") => Ok(Value::Bool(true)),
            _ if self.eat("false") => Ok(Value::Bool(false)),
            _ => self.expected("a value"),
        }
    }

    fn map(&mut self, depth: usize) -> Parsed<Value> {
        self.at += 1;
        let mut map = Map::default();
        self.space();
        if self.eat("}") {
            return Ok(Value::Map(map));
        }
        loop {
            self.space();
            let key_at = self.at;
            if self.peek() != Some('"') {
                return self.expected("a key in double quotes");
            }
            let key = self.string()?;
            self.space();
            if !self.eat(":") {
                return self.expected("`:`");
            }
            let value = self.value(depth + 1)?;
            if let Err(key) = map.append(key, value) {
                let name: String = key.get().chars().take(80).collect();
                return Err((
                    key_at,
                    format!("the key `{}` occurs twice in the same map", name.escape_debug()),
                ));
            }
            self.space();
            if self.eat("}") {
                return Ok(Value::Map(map));
            }
            if !self.eat(",") {
                return self.expected("`,` or `}`");
            }
        }
    }

    fn list(&mut self, depth: usize) -> Parsed<Value> {
        self.at += 1;
        let mut list = Vec::new();
        self.space();
        if self.eat("]") {
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.space();
            if self.eat("]") {
                return Ok(Value::List(list));
            }
            if !self.eat(",") {
                return self.expected("`,` or `]`");
            }
        }
    }

    fn number(&mut self) -> Parsed<Value> {
        let start = self.at;
        self.eat("-");
        if !self.eat("0") && self.skip(|byte| byte.is_ascii_digit()) == 0 {
            return self.expected("a digit");
        }
        if self.eat(".") && self.skip(|byte| byte.is_ascii_digit()) == 0 {
            return self.expected("a digit");
        }
        if self.eat("e") || self.eat("E") {
            let _ = self.eat("+") || self.eat("-");
            if self.skip(|byte| byte.is_ascii_digit()) == 0 {
                return self.expected("a digit");
            }
        }
        Ok(Value::Number(Number(self.text.get(start..self.at).unwrap_or_default().to_owned())))
    }

    fn string(&mut self) -> Parsed<Text> {
        self.at += 1;
        let mut escaped = String::new();
        loop {
            let at = self.at;
            match self.next() {
                None => return Err((at, "the string does not end".to_owned())),
                Some('"') => return Ok(Text(escaped)),
                Some('\\') => match self.escape()? {
                    Unit::Character(character) => write::escape(character, &mut escaped),
                    Unit::HalfPair(unit) => write::escape_unit(unit, &mut escaped),
                },
                Some(character) if character < ' ' => {
                    return Err((at, "a control character must be escaped in a string".to_owned()));
                }
                Some(character) => write::escape(character, &mut escaped),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Parsed<Unit> {
        let at = self.at;
        let character = match self.next() {
            Some(plain @ ('"' | '\\' | '/')) => plain,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode(),
            _ => return Err((at, "no such escape in a string".to_owned())),
        };
        Ok(Unit::Character(character))
    }

    fn unicode(&mut self) -> Parsed<Unit> {
        let first = self.unit()?;
        if let Some(character) = char::from_u32(first.into()) {
            return Ok(Unit::Character(character));
        }
        let after_first = self.at;
        if self.eat("\\u") {
            let second = self.unit()?;
            if let Some(Ok(character)) = char::decode_utf16([first, second]).next() {
                return Ok(Unit::Character(character));
            }
            self.at = after_first;
        }
        Ok(Unit::HalfPair(first))
    }

    fn unit(&mut self) -> Parsed<u16> {
        let digits =
            self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => self.expected("four hexadecimal digits"),
        }
    }
}
