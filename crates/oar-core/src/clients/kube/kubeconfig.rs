//! Kubeconfig files, parsed with this program's YAML limits into the crate `kube`'s type.

use std::path::Path;

use ::kube::config::Kubeconfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize as _;

use crate::yaml;

/// Parses `text`, a kubeconfig in `folder`. Relative paths in it are relative to that folder, as in kubectl.
///
/// The error says where the text is wrong, never what is there: it may be a token.
pub(crate) fn parse(text: &str, folder: &Path) -> Result<Kubeconfig, String> {
    let tree = yaml::parse_outside(text).map_err(|error| error.to_string())?;
    let kubeconfig = Kubeconfig::deserialize(&tree).map_err(|error| {
        // Of such an error only the names of fields do not come from the file.
        let what = Some(error.message.as_str()).filter(|message| message.starts_with("missing field"));
        format!(
            "{}: not what a kubeconfig has here{}",
            error.position,
            what.map_or_else(String::new, |what| format!(" ({what})"))
        )
    })?;
    Ok(with_absolute_paths(without_empty_parts(kubeconfig), folder))
}

/// Removes empty values, such as `certificate-authority-data: ""`, which some tools write, and line breaks in
/// base64.
fn without_empty_parts(mut kubeconfig: Kubeconfig) -> Kubeconfig {
    fn filled(part: &mut Option<String>) {
        *part = part.take().filter(|text| !text.trim().is_empty());
    }
    fn base64(part: &mut Option<String>) {
        filled(part);
        if let Some(text) = part {
            text.retain(|letter| !letter.is_whitespace());
        }
    }
    fn secret(part: &mut Option<SecretString>, trimmed: impl Fn(&str) -> String) {
        let text = part.take().map(|secret| trimmed(secret.expose_secret()));
        *part = text.filter(|text| !text.is_empty()).map(SecretString::from);
    }
    filled(&mut kubeconfig.current_context);
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        base64(&mut cluster.certificate_authority_data);
        filled(&mut cluster.certificate_authority);
        filled(&mut cluster.proxy_url);
        filled(&mut cluster.tls_server_name);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        base64(&mut user.client_certificate_data);
        for part in [&mut user.client_certificate, &mut user.client_key, &mut user.token_file] {
            filled(part);
        }
        filled(&mut user.username);
        filled(&mut user.impersonate);
        secret(&mut user.client_key_data, |text| text.split_whitespace().collect());
        secret(&mut user.token, |text| text.trim().to_owned());
        secret(&mut user.password, str::to_owned);
    }
    kubeconfig
}

/// A login plugin's command is a path only if it contains a folder; otherwise it is looked up in `PATH`.
fn with_absolute_paths(mut kubeconfig: Kubeconfig, folder: &Path) -> Kubeconfig {
    let absolute = |part: &mut Option<String>| {
        if let Some(path) = part {
            *path = folder.join(&*path).to_string_lossy().into_owned();
        }
    };
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        absolute(&mut cluster.certificate_authority);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        for part in [&mut user.client_certificate, &mut user.client_key, &mut user.token_file] {
            absolute(part);
        }
        if let Some(exec) = &mut user.exec
            && exec.command.as_ref().is_some_and(|command| command.contains(std::path::MAIN_SEPARATOR))
        {
            absolute(&mut exec.command);
        }
    }
    kubeconfig
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::limits::{MAX_ALIASES, MAX_DEPTH};

    fn refusal(text: &str) -> String {
        parse(text, Path::new("/home/user/.kube")).unwrap_err()
    }

    #[test]
    fn a_kubeconfig_has_the_limits_of_all_yaml() {
        let deep = format!("clusters: []\nextra: {}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(refusal(&deep).contains("nested deeper"), "{}", refusal(&deep));
        let doubled: Vec<String> =
            (1..40).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1)).collect();
        let error = refusal(&format!("a0: &a0 []\n{}", doubled.concat()));
        assert!(error.contains("aliases resolved"), "{error}");
        let aliases = format!("a: &a x\nb: [{}]\n", "*a, ".repeat(MAX_ALIASES + 1));
        assert!(refusal(&aliases).contains("aliases"), "{}", refusal(&aliases));
        assert!(refusal("apiVersion: v1\n---\napiVersion: v1\n").contains("second document"));
    }

    #[test]
    fn an_error_names_the_place_and_never_what_stands_there() {
        for (text, place) in [
            ("users:\n- name: a\n  user: sha256~secret\n", "3:9"),
            ("users:\n- name: a\n  user: {token: [sha256~secret]}\n", "3:17"),
            ("users: {name: sha256~secret}\n", "1:8"),
        ] {
            let error = refusal(text);
            assert!(error.starts_with(place) && !error.contains("secret"), "{error}");
        }
        assert!(refusal("users:\n- user: {token: sha256~secret}\n").contains("missing field `name`"));
    }

    #[test]
    fn paths_are_below_the_file_s_folder_and_empty_ones_are_none() {
        let text = "clusters:\n- {name: a, cluster: {certificate-authority: ca.crt}}\nusers:\n- name: a\n  user:\n    \
                    client-certificate: \"\"\n    client-key: /etc/key\n    tokenFile: sub/token\n    exec: {command: bin/login}\n\
                    - {name: b, user: {exec: {command: login, env: null, args: []}}}\n";
        let kubeconfig = parse(text, Path::new("/home/user/.kube")).unwrap();
        let cluster = kubeconfig.clusters[0].cluster.as_ref().unwrap();
        assert_eq!(cluster.certificate_authority.as_deref(), Some("/home/user/.kube/ca.crt"));
        let user = |place: usize| kubeconfig.auth_infos[place].auth_info.clone().unwrap();
        assert_eq!(user(0).client_certificate, None);
        assert_eq!(user(0).client_key.as_deref(), Some("/etc/key"));
        assert_eq!(user(0).token_file.as_deref(), Some("/home/user/.kube/sub/token"));
        assert_eq!(user(0).exec.unwrap().command.as_deref(), Some("/home/user/.kube/bin/login"));
        assert_eq!(user(1).exec.unwrap().command.as_deref(), Some("login"));
    }

    #[test]
    fn texts_stay_as_written_and_json_is_read() {
        let text = "{\"users\":\t[{\"name\": 7,\n\t\"user\": {\"token\": 0123, \"username\": yes}}], \"current-context\": \"\"}";
        let kubeconfig = parse(text, Path::new("/")).unwrap();
        let named = &kubeconfig.auth_infos[0];
        let user = named.auth_info.as_ref().unwrap();
        assert_eq!((named.name.as_str(), user.username.as_deref()), ("7", Some("yes")));
        assert_eq!(user.token.as_ref().unwrap().expose_secret(), "0123");
        assert_eq!(kubeconfig.current_context, None);
    }
}
