//! The origins from which advisory files may be fetched.

use url::Url;

/// The origins that ART's own tools allow (spec 03 §4.6).
const DEFAULT: [&str; 4] = [
    "https://errata.devel.redhat.com/",
    "https://errata.stage.engineering.redhat.com/",
    "https://gitlab.cee.redhat.com/rhtap-release/advisories/",
    "https://gitlab.cee.redhat.com/releng/advisories/",
];

/// An address that is not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedAddress {
    /// Not an address at all.
    #[error("the advisory's address in the shipment is not a URL")]
    NotAUrl,
    /// Not below an allowed origin.
    #[error("the advisory's address in the shipment leads to {0}, which is not an allowed origin")]
    NotAllowed(String),
}

/// A text that is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin; expected something like https://gitlab.example.com/group/advisories/")]
pub struct InvalidOrigin(String);

/// The origins from which advisory files may be fetched, and the replacement of their hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    allowed: Vec<Url>,
    replacement: Option<Url>,
}

impl Origins {
    /// The origins in `list` (comma-separated URLs); without one, those of the real services.
    ///
    /// With a `replacement`, such as a sandbox or a staging system, URLs below an allowed origin are fetched
    /// from there with the same path, and nothing is fetched from anywhere else.
    pub fn new(list: Option<&str>, replacement: Option<&Url>) -> Result<Self, InvalidOrigin> {
        let texts: Vec<&str> = match list {
            Some(list) => list.split(',').map(str::trim).filter(|text| !text.is_empty()).collect(),
            None => DEFAULT.to_vec(),
        };
        let mut allowed = Vec::with_capacity(texts.len());
        for text in texts {
            allowed.push(origin(text).ok_or_else(|| InvalidOrigin(text.chars().take(200).collect()))?);
        }
        Ok(Self { allowed, replacement: replacement.map(|url| crate::http::as_folder(url.clone())) })
    }

    /// The address to fetch instead of `address`, or why it is not fetched.
    pub(crate) fn resolve(&self, address: &str) -> Result<Url, RefusedAddress> {
        let url = Url::parse(address.trim()).map_err(|_| RefusedAddress::NotAUrl)?;
        let good = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && !has_odd_segments(&url);
        if let Some(replacement) = &self.replacement {
            if good && is_below(&url, replacement) {
                return Ok(url);
            }
            if good && self.allowed.iter().any(|origin| is_below(&url, origin)) {
                let mut replaced = crate::http::join(replacement, url.path());
                replaced.set_query(url.query());
                return Ok(replaced);
            }
        } else if good && self.allowed.iter().any(|origin| is_below(&url, origin)) {
            return Ok(url);
        }
        Err(RefusedAddress::NotAllowed(url.host_str().unwrap_or("no host").to_owned()))
    }
}

/// Whether a server might interpret the path differently from this program.
fn has_odd_segments(url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    path.contains("%2e") || path.contains("%2f") || path.contains("%5c") || path.contains('\\')
}

fn is_below(url: &Url, origin: &Url) -> bool {
    url.scheme() == origin.scheme()
        && url.host() == origin.host()
        && url.port_or_known_default() == origin.port_or_known_default()
        && url.path().starts_with(origin.path())
}

fn origin(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let good = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    good.then(|| crate::http::as_folder(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_origins_are_asked() {
        let origins = Origins::new(None, None).unwrap();
        let good = "https://gitlab.cee.redhat.com/rhtap-release/advisories/-/raw/main/a/advisory.yaml";
        assert_eq!(origins.resolve(good).unwrap().as_str(), good);
        for bad in [
            "http://gitlab.cee.redhat.com/rhtap-release/advisories/-/raw/main/a/advisory.yaml",
            "https://gitlab.cee.redhat.com/rhtap-release/advisories-of-somebody/a.yaml",
            "https://gitlab.cee.redhat.com/somebody/advisories/a.yaml",
            "https://gitlab.cee.redhat.com/rhtap-release/advisories/../../somebody/a.yaml",
            "https://gitlab.cee.redhat.com/rhtap-release/advisories/%2e%2e/%2e%2e/somebody/a.yaml",
            "https://gitlab.cee.redhat.com/rhtap-release/advisories/..%2f..%2fsomebody/a.yaml",
            "https://gitlab.cee.redhat.com.example.com/rhtap-release/advisories/a.yaml",
            "https://gitlab.cee.redhat.com:8443/rhtap-release/advisories/a.yaml",
            "https://user:word@gitlab.cee.redhat.com/rhtap-release/advisories/a.yaml",
            "https://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "advisory.yaml",
        ] {
            assert!(origins.resolve(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_replacement_keeps_the_path_and_nothing_else_is_asked() {
        let base = Url::parse("http://127.0.0.1:8765/advisory-content").unwrap();
        let origins = Origins::new(Some("https://gitlab.example.test/demo/advisories"), Some(&base)).unwrap();
        let resolved = |address: &str| origins.resolve(address).map(|url| url.to_string());
        assert_eq!(
            resolved("https://gitlab.example.test/demo/advisories/-/raw/main/a.yaml").unwrap(),
            "http://127.0.0.1:8765/advisory-content/demo/advisories/-/raw/main/a.yaml"
        );
        let own = "http://127.0.0.1:8765/advisory-content/a.yaml";
        assert_eq!(resolved(own).unwrap(), own);
        assert!(resolved("https://gitlab.example.test/other/a.yaml").is_err());
        assert!(resolved("http://127.0.0.1:8765/jira/a.yaml").is_err());
    }

    #[test]
    fn bad_origins_are_named() {
        for bad in ["nonsense", "ftp://example.com/", "https://u:p@example.com/", "https://example.com/?x"] {
            assert!(Origins::new(Some(bad), None).is_err(), "{bad}");
        }
    }
}
