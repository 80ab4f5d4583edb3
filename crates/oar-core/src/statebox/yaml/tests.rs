use super::*;

fn rewritten(text: &str) -> String {
    emit(&parse(text).unwrap().root)
}

#[test]
fn values_of_unknown_keys_keep_their_type() {
    assert_eq!(rewritten("a: yes\nb: [1, 0x1F, 4.20]\n"), "a: true\nb:\n- 1\n- 31\n- 4.2\n");
}
