//! Joins paths to a base URL and keeps its path prefix. The only place where request URLs are built.

use url::Url;

/// `path` below `base`, whose path prefix is kept; a query may follow a `?`.
///
/// The path is not escaped: use [`join_segments`] for parts that come from data.
pub fn join(base: &Url, path: &str) -> Url {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), path.trim_start_matches('/')));
    url.set_query(query);
    url
}

/// `segments` below `base`, each percent-encoded as a whole, so that slashes or dots in data cannot change
/// the path.
pub fn join_segments<'a>(base: &Url, segments: impl IntoIterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// `base` as a folder, so that joining a relative path keeps its prefix.
pub(crate) fn as_folder(mut base: Url) -> Url {
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_keeps_the_prefix() {
        let base = Url::parse("http://127.0.0.1:8765/jira").unwrap();
        assert_eq!(
            join(&base, "/rest/api/2/issue/A-1?fields=a%2Cb").as_str(),
            "http://127.0.0.1:8765/jira/rest/api/2/issue/A-1?fields=a%2Cb"
        );
        let slash = Url::parse("http://127.0.0.1:8765/jira/").unwrap();
        assert_eq!(join(&slash, "rest").as_str(), "http://127.0.0.1:8765/jira/rest");
        assert_eq!(join(&Url::parse("https://a.test").unwrap(), "b").as_str(), "https://a.test/b");
        assert_eq!(
            join_segments(&slash, ["files", "a/../b c.yaml"]).as_str(),
            "http://127.0.0.1:8765/jira/files/a%2F..%2Fb%20c.yaml"
        );
    }
}
