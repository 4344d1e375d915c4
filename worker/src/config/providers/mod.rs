//! Configuration providers: `${provider:path:key}` in worker, connector and task configurations.
//!
//! ```text
//! config.providers.* ─▶ Providers ─ resolve ─▶ Resolved: the configuration to use, never shown
//!                          │  variables: where they stand in a text
//!                          └─ file, directory, env_var: Java's three, `allowed` keeps the first two in their place
//! ```
//!
//! What REST, status and logs show is the text with its variables; `crate::redact` is for messages that repeat a value.

mod allowed;

mod conceal;

mod directory;

mod env_var;

mod file;

mod resolve;

mod variables;

use api::provider::ProviderPlugin;

pub(crate) use conceal::concealed;
pub(crate) use resolve::reverse;
pub use resolve::{Providers, Resolved};
pub(crate) use variables::contains_variables;

/// Java's three providers.
pub const BUILT_IN: &[ProviderPlugin] = &[
    ProviderPlugin::of::<directory::DirectoryProvider>(),
    ProviderPlugin::of::<env_var::EnvVarProvider>(),
    ProviderPlugin::of::<file::FileProvider>(),
];
