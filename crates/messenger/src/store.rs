//! What the messenger asks of a store. The engineer of the store completes these traits; see the contract suite.

/// Everything that must last. SQLite is the reference.
pub trait Store: Send + Sync {}

/// The store could not do its work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Away for the moment: try again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// There is no room left.
    #[error("the store is full")]
    Full,
    /// Something that should not happen; the text is for the log only.
    #[error("the store failed: {0}")]
    Broken(String),
}
