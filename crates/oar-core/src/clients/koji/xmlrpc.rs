//! The part of XML-RPC that is needed: calls with string arguments, answers with structures.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;

/// The deepest nesting of values.
const DEPTH: usize = 16;

/// A value in an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nil,
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    Array(Vec<Self>),
    Struct(BTreeMap<String, Self>),
}

impl Value {
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(members) => members.get(name),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// An answer: a value, or a fault with its code and text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Value(Value),
    Fault { code: i64, text: String },
}

/// A call of `method` with named string arguments, in Koji's encoding of named arguments: one structure,
/// marked with `__starstar` (spec 02 §4).
pub(crate) fn call(method: &str, arguments: &[(&str, &str)]) -> String {
    let members: Vec<String> = arguments
        .iter()
        .map(|(name, value)| {
            format!(
                "<member><name>{}</name><value><string>{}</string></value></member>",
                escape(*name),
                escape(*value)
            )
        })
        .collect();
    format!(
        "<?xml version='1.0'?>\n<methodCall><methodName>{}</methodName><params><param><value><struct>{}\
         <member><name>__starstar</name><value><boolean>1</boolean></value></member></struct></value></param></params>\
         </methodCall>\n",
        escape(method),
        members.concat()
    )
}

/// Parses an answer; the error says what is wrong with it.
pub(crate) fn answer(text: &str) -> Result<Answer, String> {
    let mut parser = Parser { reader: Reader::from_str(text) };
    let mut is_fault = false;
    let mut is_answer = false;
    loop {
        match parser.next()? {
            Event::Start(tag) => match tag.name().as_ref() {
                b"methodResponse" => is_answer = true,
                b"fault" => is_fault = true,
                b"value" if is_answer => {
                    let value = parser.value(0)?;
                    return if is_fault { fault(&value) } else { Ok(Answer::Value(value)) };
                }
                b"params" | b"param" => {}
                other => return Err(format!("unexpected element {}", String::from_utf8_lossy(other))),
            },
            Event::Eof => return Err("no methodResponse with a value".to_owned()),
            _ => {}
        }
    }
}

fn fault(value: &Value) -> Result<Answer, String> {
    let code = value.member("faultCode").and_then(Value::as_integer).ok_or("a fault without a code")?;
    let text = value.member("faultString").and_then(Value::as_text).unwrap_or_default().to_owned();
    Ok(Answer::Fault { code, text })
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        self.reader.read_event().map_err(|error| format!("no well-formed XML: {error}"))
    }

    /// Reads the text of the element whose start tag was just read, to its end.
    fn text(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(part) => text.push_str(&part.decode().map_err(|error| error.to_string())?),
                Event::CData(part) => text.push_str(&part.decode().map_err(|error| error.to_string())?),
                Event::GeneralRef(name) => {
                    let name = name.decode().map_err(|error| error.to_string())?;
                    let reference = format!("&{name};");
                    text.push_str(&unescape(&reference).map_err(|error| error.to_string())?);
                }
                Event::Comment(_) => {}
                Event::End(_) => return Ok(text),
                _ => return Err("a value contains something other than text".to_owned()),
            }
        }
    }

    /// Reads the value whose `<value>` tag was just read, to its end.
    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEPTH {
            return Err(format!("values nested deeper than {DEPTH}"));
        }
        let mut found = None;
        let mut bare = String::new();
        loop {
            match self.next()? {
                Event::Start(tag) => {
                    let kind = tag.name().as_ref().to_vec();
                    found = Some(self.typed(&kind, depth)?);
                }
                Event::Empty(tag) => {
                    found = Some(match tag.name().as_ref() {
                        b"nil" => Value::Nil,
                        b"string" | b"base64" => Value::Text(String::new()),
                        b"struct" => Value::Struct(BTreeMap::new()),
                        b"array" => Value::Array(Vec::new()),
                        other => return Err(format!("an empty {}", String::from_utf8_lossy(other))),
                    });
                }
                // A value without a type is a string.
                Event::Text(part) => bare.push_str(&part.decode().map_err(|error| error.to_string())?),
                Event::GeneralRef(name) => {
                    let name = name.decode().map_err(|error| error.to_string())?;
                    bare.push_str(&unescape(&format!("&{name};")).map_err(|error| error.to_string())?);
                }
                Event::Comment(_) => {}
                Event::End(_) => return Ok(found.unwrap_or(Value::Text(bare))),
                _ => return Err("the answer ends within a value".to_owned()),
            }
        }
    }

    fn typed(&mut self, kind: &[u8], depth: usize) -> Result<Value, String> {
        Ok(match kind {
            b"string" | b"dateTime.iso8601" | b"base64" => Value::Text(self.text()?),
            b"int" | b"i4" | b"i8" => {
                let text = self.text()?;
                Value::Integer(text.trim().parse().map_err(|_| "an invalid number".to_owned())?)
            }
            b"double" => {
                let text = self.text()?;
                Value::Double(text.trim().parse().map_err(|_| "an invalid number".to_owned())?)
            }
            b"boolean" => Value::Boolean(self.text()?.trim() == "1"),
            b"nil" => {
                self.text()?;
                Value::Nil
            }
            b"struct" => Value::Struct(self.members(depth)?),
            b"array" => Value::Array(self.items(depth)?),
            other => return Err(format!("a value of the unknown type {}", String::from_utf8_lossy(other))),
        })
    }

    fn members(&mut self, depth: usize) -> Result<BTreeMap<String, Value>, String> {
        let mut members = BTreeMap::new();
        let mut name = None;
        loop {
            match self.next()? {
                Event::Start(tag) if tag.name().as_ref() == b"member" => name = None,
                Event::Start(tag) if tag.name().as_ref() == b"name" => name = Some(self.text()?),
                Event::Start(tag) if tag.name().as_ref() == b"value" => {
                    let value = self.value(depth + 1)?;
                    members.insert(name.take().ok_or("a member without a name")?, value);
                }
                // An empty value is an empty string.
                Event::Empty(tag) if tag.name().as_ref() == b"value" => {
                    members.insert(name.take().ok_or("a member without a name")?, Value::Text(String::new()));
                }
                Event::End(tag) if tag.name().as_ref() == b"struct" => return Ok(members),
                Event::End(_) | Event::Text(_) | Event::Comment(_) => {}
                _ => return Err("an invalid structure".to_owned()),
            }
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::Start(tag) if tag.name().as_ref() == b"data" => {}
                Event::Start(tag) if tag.name().as_ref() == b"value" => items.push(self.value(depth + 1)?),
                Event::End(tag) if tag.name().as_ref() == b"array" => return Ok(items),
                Event::Empty(tag) if tag.name().as_ref() == b"data" => {}
                Event::Empty(tag) if tag.name().as_ref() == b"value" => {
                    items.push(Value::Text(String::new()));
                }
                Event::End(_) | Event::Text(_) | Event::Comment(_) => {}
                _ => return Err("an invalid list".to_owned()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_of_the_hub_are_read() {
        let text = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n\
            <value><struct>\n<member>\n<name>id</name>\n<value><int>12</int></value>\n</member>\n\
            <member>\n<name>name</name>\n<value><string>a &amp; &#98; &lt;c&gt;</string></value>\n</member>\n\
            <member><name>perm</name><value><nil/></value></member>\n\
            <member><name>locked</name><value><boolean>0</boolean></value></member>\n\
            <member><name>bare</name><value>text</value></member>\n\
            <member><name>none</name><value/></member></struct></value>\n</data></array></value>\n\
            </param>\n</params>\n</methodResponse>\n";
        let Ok(Answer::Value(Value::Array(items))) = answer(text) else { panic!("{:?}", answer(text)) };
        assert_eq!(items[0].member("name").and_then(Value::as_text), Some("a & b <c>"));
        assert_eq!(items[0].member("id"), Some(&Value::Integer(12)));
        assert_eq!(items[0].member("perm"), Some(&Value::Nil));
        assert_eq!(items[0].member("locked"), Some(&Value::Boolean(false)));
        assert_eq!(items[0].member("bare").and_then(Value::as_text), Some("text"));
        assert_eq!(items[0].member("none").and_then(Value::as_text), Some(""));
        let empty = "<methodResponse><params><param><value><array><data>\n</data></array></value></param></params></methodResponse>";
        assert_eq!(answer(empty), Ok(Answer::Value(Value::Array(Vec::new()))));
    }

    #[test]
    fn faults_have_code_and_text() {
        let text = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1000</int></value></member>\
            <member><name>faultString</name><value><string>No such build: 'x'</string></value></member></struct></value></fault></methodResponse>";
        assert_eq!(answer(text), Ok(Answer::Fault { code: 1000, text: "No such build: 'x'".into() }));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "",
            "garbage",
            "<html><body>502</body></html>",
            "<methodResponse></methodResponse>",
            "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
            "<methodResponse><params><param><value><struct><member><value>1</value></member></struct></value>",
            "<methodResponse><params><param><value><array><data><value>",
            "<methodResponse><fault><value>1</value></fault>",
        ] {
            assert!(answer(text).is_err(), "{text}");
        }
        let deep = format!("<methodResponse><params><param>{}", "<value><array><data>".repeat(40));
        assert!(answer(&deep).unwrap_err().contains("nested"));
    }

    #[test]
    fn arguments_are_escaped() {
        let text = call("listTags", &[("build", "a<b>&\"c")]);
        assert!(text.contains("<string>a&lt;b&gt;&amp;&quot;c</string>"), "{text}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[<>/a-z&;#0-9 ]{0,200}") {
            let _ = answer(&text);
            let _ = answer(&format!("<methodResponse><params><param><value>{text}"));
        }
    }
}
