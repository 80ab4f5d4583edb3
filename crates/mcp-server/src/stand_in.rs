//! Stand-ins for the types of other modules.

/// The arguments of a call.
#[derive(Debug, Clone, Default)]
pub struct Arguments(pub rmcp::model::JsonObject);

/// A tool that answers with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "a stand-in")]
pub enum DocumentTool {
    ReleaseMetadata,
    IsShipped,
    ReleaseStatus,
    UpdateTaskStatus,
    ActiveReleases,
    CacheStats,
    CacheInvalidate,
    CacheWarm,
    AddIssue,
    ResolveIssue,
    GetIssues,
    GetTaskBlocker,
}
