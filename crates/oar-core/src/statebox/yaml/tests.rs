use super::*;

fn read(text: &str) -> Node {
    parse(text).unwrap().root
}

fn rewritten(text: &str) -> String {
    emit(&read(text))
}

#[test]
fn samples_come_back_byte_for_byte() {
    for entry in std::fs::read_dir("/work/shared/samples/statebox").unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let document = parse(&text).unwrap();
        assert_eq!(document.comments, [], "{}", path.display());
        pretty(&emit(&document.root), &text);
    }
}

fn pretty(left: &str, right: &str) {
    for (a, b) in left.lines().zip(right.lines()) {
        assert_eq!(a, b);
    }
    assert_eq!(left, right);
}

#[test]
fn smoke() {
    assert_eq!(rewritten("a: yes\nb: [1, 0x1F, 4.20]\n"), "a: true\nb:\n- 1\n- 31\n- 4.2\n");
}
