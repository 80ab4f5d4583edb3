//! The files beside the pages: they are part of the program.

use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::response::Response;

use super::packed::Packed;

/// A file, and its address, which changes with its content.
struct Asset {
    name: &'static str,
    packed: Packed,
    address: String,
}

impl Asset {
    fn new(name: &'static str, kind: &'static str, text: &str) -> Self {
        let packed = Packed::new(kind, text.to_owned());
        let address = format!("/static/{name}?v={}", packed.tag());
        Self { name, packed, address }
    }
}

static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("dashboard.css", "text/css; charset=utf-8", include_str!("../../static/dashboard.css"))
});
static JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("dashboard.js", "text/javascript; charset=utf-8", include_str!("../../static/dashboard.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon.svg", "image/svg+xml", include_str!("../../static/icon.svg")));

pub(super) fn css_address() -> &'static str {
    &CSS.address
}

pub(super) fn js_address() -> &'static str {
    &JS.address
}

pub(super) fn icon_address() -> &'static str {
    &ICON.address
}

/// The file called `name`. Under its own address it never changes.
pub(super) fn file(name: &str, query: &str, headers: &HeaderMap) -> Option<Response> {
    let asset = [&*CSS, &*JS, &*ICON].into_iter().find(|asset| asset.name == name)?;
    let is_own = query.strip_prefix("v=") == Some(asset.packed.tag());
    let cache = if is_own { "public, max-age=31536000, immutable" } else { "no-cache" };
    Some(asset.packed.response(headers, cache))
}
