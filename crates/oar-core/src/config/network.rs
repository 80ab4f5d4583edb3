//! Settings of the network in the environment: limits of requests, trusted authorities, proxies.

use std::path::Path;
use std::time::Duration;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::environment::{self, Environment};
use super::error::ConfigError;
use super::files;
use super::settings::{bad, not};
use crate::http::HttpSettings;

/// The most requests that run at the same time against the catalogue.
pub const PYXIS_CONCURRENCY: usize = 16;

pub(super) fn http(environment: &Environment) -> Result<HttpSettings, ConfigError> {
    let mut settings = HttpSettings::default();
    if let Some(text) = environment.get(&environment::OAR_HTTP_TIMEOUT) {
        let seconds = text.trim().parse::<f64>().ok().filter(|seconds| (0.001..=3600.0).contains(seconds));
        let seconds = seconds.ok_or_else(|| {
            bad(
                &environment::OAR_HTTP_TIMEOUT,
                not(text),
                "seconds from 0.001 to 3600 (for example 30 or 2.5)",
            )
        })?;
        settings.timeout = Duration::from_secs_f64(seconds);
        settings.connect_timeout = settings.connect_timeout.min(settings.timeout);
    }
    if let Some(text) = environment.get(&environment::OAR_HTTP_RETRY_DELAY) {
        let milliseconds = text.trim().parse::<u64>().ok().filter(|delay| *delay <= 60_000);
        let milliseconds = milliseconds.ok_or_else(|| {
            let expected = "milliseconds from 0 to 60000 (for example 250)";
            bad(&environment::OAR_HTTP_RETRY_DELAY, not(text), expected)
        })?;
        settings.retry_delay = Duration::from_millis(milliseconds);
    }
    check_proxies(environment)?;
    if let Some(path) = environment.get(&environment::OAR_CA_BUNDLE) {
        let path = Path::new(path);
        settings.ca_bundle = Some(ca_bundle(path)?);
    }
    Ok(settings)
}

/// Refuses the URL of a proxy that the HTTP library cannot use, because the library would silently ignore it.
///
/// The library reads these variables itself. Of each pair it uses the first that is set; an empty one means
/// no proxy. `ALL_PROXY` counts only where one of the others is missing.
fn check_proxies(environment: &Environment) -> Result<(), ConfigError> {
    let set = |pair: [&'static str; 2]| {
        let first = pair.into_iter().find_map(|name| Some((name, environment.raw(name)?)));
        first.filter(|(_, address)| !address.is_empty())
    };
    let own = [set(["HTTPS_PROXY", "https_proxy"]), set(["HTTP_PROXY", "http_proxy"])];
    let fallback = if own.iter().all(Option::is_some) { None } else { set(["ALL_PROXY", "all_proxy"]) };
    for (name, address) in own.into_iter().chain([fallback]).flatten() {
        let taken =
            Matcher::builder().all(address).build().intercept(&Uri::from_static("http://example.com"));
        let taken = taken.and_then(|proxy| Url::parse(&proxy.uri().to_string()).ok());
        if !taken.is_some_and(|proxy| matches!(proxy.scheme(), "http" | "https")) {
            // Its value may contain a password.
            return Err(ConfigError::BadVariable {
                name: name.to_owned(),
                problem: "its value cannot be used".to_owned(),
                expected: "the http or https address of a proxy (for example http://proxy.example.com:3128)"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// The certificates of private authorities. Each one is checked, because the TLS library's error does not
/// name the wrong one.
fn ca_bundle(path: &Path) -> Result<Vec<u8>, ConfigError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let unusable = |problem: String| {
        let expected =
            "the path of a file of PEM certificates (for example /etc/pki/tls/certs/ca-bundle.crt)";
        bad(&environment::OAR_CA_BUNDLE, format!("{} {problem}", path.display()), expected)
    };
    let bundle = files::read("the CA bundle", path, 16 * 1024 * 1024).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        unusable(format!("cannot be read: {why}"))
    })?;
    let text = String::from_utf8_lossy(&bundle);
    let mut blocks = text.split(BEGIN).skip(1).peekable();
    if blocks.peek().is_none() {
        return Err(unusable("holds no certificate".to_owned()));
    }
    for (index, block) in blocks.enumerate() {
        let number = index + 1;
        let Some((body, _)) = block.split_once(END) else {
            return Err(unusable(format!("is damaged: its certificate {number} has no end")));
        };
        native_tls::Certificate::from_pem(format!("{BEGIN}{body}{END}\n").as_bytes())
            .map_err(|_| unusable(format!("is damaged: its certificate {number} is invalid")))?;
    }
    if let Err(why) = trusted(&bundle) {
        return Err(unusable(format!("contains a damaged certificate ({why})")));
    }
    Ok(bundle)
}

/// Checks that the TLS library accepts all certificates of a bundle; the error says why not.
fn trusted(bundle: &[u8]) -> Result<(), String> {
    let why = |error: reqwest::Error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        cause.to_string()
    };
    let mut builder = reqwest::Client::builder();
    let certificates = reqwest::Certificate::from_pem_bundle(bundle).map_err(why)?;
    if certificates.is_empty() {
        return Err("none is complete".to_owned());
    }
    for certificate in certificates {
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map(drop).map_err(why)
}

/// The most requests at the same time to the container catalog.
pub(super) fn catalog_concurrency(environment: &Environment) -> Result<usize, ConfigError> {
    let variable = &environment::OAR_PYXIS_CONCURRENCY;
    let text = environment.get_or_default(variable);
    let count = text.trim().parse().ok().filter(|count| (1..=PYXIS_CONCURRENCY).contains(count));
    count.ok_or_else(|| {
        let expected = format!("a number from 1 to {PYXIS_CONCURRENCY} (for example 16)");
        bad(variable, not(text), &expected)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::environment::Variable;
    use crate::error::{Classified as _, ErrorClass};

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn http_limits_are_read_and_checked() {
        let settings =
            http(&environment(&[("OAR_HTTP_TIMEOUT", "2.5"), ("OAR_HTTP_RETRY_DELAY", "5")])).unwrap();
        assert_eq!(settings.timeout, Duration::from_millis(2500));
        assert_eq!(settings.connect_timeout, Duration::from_millis(2500));
        assert_eq!(settings.retry_delay, Duration::from_millis(5));
        for (name, value) in [
            ("OAR_HTTP_TIMEOUT", "0"),
            ("OAR_HTTP_TIMEOUT", "-1"),
            ("OAR_HTTP_TIMEOUT", "NaN"),
            ("OAR_HTTP_TIMEOUT", "inf"),
            ("OAR_HTTP_TIMEOUT", "30s"),
            ("OAR_HTTP_RETRY_DELAY", "1.5"),
            ("OAR_HTTP_RETRY_DELAY", "999999999"),
        ] {
            let error = http(&environment(&[(name, value)])).unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn the_address_of_a_proxy_that_would_be_left_out_is_refused_without_showing_it() {
        let load = |pairs: &[(&str, &str)]| http(&environment(pairs)).map(drop);
        for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            for bad in
                [":::", "lead:secret@", "http://lead:secret@proxy:port", "socks5://lead:secret@p:1", " "]
            {
                let error = load(&[(name, bad)]).unwrap_err();
                let text = error.to_string();
                assert!(text.starts_with(name) && text.contains("for example"), "{text}");
                assert!(!text.contains("secret"), "{text}");
                assert_eq!(error.class(), ErrorClass::Configuration);
            }
            for good in ["", "http://proxy.example.com:3128", "https://lead:secret@p.example.com", "proxy:80"]
            {
                assert!(load(&[(name, good)]).is_ok(), "{name}={good}");
            }
        }
        assert!(load(&[("https_proxy", ":::"), ("HTTPS_PROXY", "http://proxy")]).is_ok(), "the first counts");
        assert!(load(&[("NO_PROXY", ":::")]).is_ok());
        let own = [("HTTPS_PROXY", "http://proxy"), ("HTTP_PROXY", "http://proxy")];
        let fallback = ("ALL_PROXY", "socks5h://proxy:1");
        assert!(load(&[own[0], own[1], fallback]).is_ok(), "the fallback does not count");
        assert!(load(&[own[0], fallback]).is_err());
        assert!(load(&[own[0], ("http_proxy", ""), fallback]).is_err(), "an empty one may fall back");
    }

    #[test]
    fn a_ca_bundle_that_is_unreadable_or_damaged_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let load = || http(&environment(&[("OAR_CA_BUNDLE", path.to_str().unwrap())]));
        let refusal = || load().unwrap_err().to_string();
        assert!(
            refusal().starts_with("OAR_CA_BUNDLE: ")
                && refusal().contains("ca.pem cannot be read: No such file")
        );
        let certificate = certificate();
        let (cut, _) = certificate.split_at(certificate.len() / 2);
        for (text, expected) in [
            ("not PEM", "holds no certificate"),
            (cut, "is damaged: its certificate 1 has no end"),
            (
                &format!("{certificate}{}", certificate.replacen("MII", "MIJ", 1)),
                "is damaged: its certificate 2 is invalid",
            ),
            (
                "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
                "is damaged: its certificate 1 is invalid",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(refusal().contains(expected), "{}", refusal());
        }
        std::fs::write(&path, format!("# two\n{certificate}\n{certificate}")).unwrap();
        assert!(load().unwrap().ca_bundle.is_some());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(refusal().contains("cannot be read: Is a directory"), "{}", refusal());
    }

    /// A made-up authority's certificate.
    fn certificate() -> String {
        use openssl::{asn1::Asn1Time, ec, hash::MessageDigest, nid::Nid, pkey::PKey, x509};
        let group = ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(ec::EcKey::generate(&group).unwrap()).unwrap();
        let mut name = x509::X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "authority.example.test").unwrap();
        let name = name.build();
        let mut builder = x509::X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(9).unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        String::from_utf8(builder.build().to_pem().unwrap()).unwrap()
    }

    #[test]
    fn the_table_names_the_limits_that_apply() {
        let table = |variable: &Variable| (variable.name, variable.default.unwrap());
        let named = [table(&environment::OAR_HTTP_TIMEOUT), table(&environment::OAR_HTTP_RETRY_DELAY)];
        let (named, used) = (http(&environment(&named)).unwrap(), http(&environment(&[])).unwrap());
        assert_eq!((named.timeout, named.retry_delay), (used.timeout, used.retry_delay));
        assert_eq!(catalog_concurrency(&environment(&[])).unwrap(), PYXIS_CONCURRENCY);
    }
}
