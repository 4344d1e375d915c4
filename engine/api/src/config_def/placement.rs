//! Where a form shows a key, and what it offers there.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::config::ConfigValue;
use super::key::Width;

/// Every key's name and parsed value.
pub type Values<'a> = &'a [(Cow<'static, str>, ConfigValue)];

/// Offers values for a key, given every key's name and parsed value.
pub type Recommender = Arc<dyn Fn(Values<'_>) -> Vec<String> + Send + Sync>;

/// Says whether a form shows a key at all, given every key's name and parsed value.
pub type Visibility = Arc<dyn Fn(Values<'_>) -> bool + Send + Sync>;

/// Where a form shows a key, and with what. Keys without one stand outside any group, under their own name.
#[derive(Clone)]
pub struct Placement {
    /// Heading.
    pub group: Cow<'static, str>,
    /// Position under the heading, from 1.
    pub order: i32,
    /// Room for the value.
    pub width: Width,
    /// Label.
    pub display_name: Cow<'static, str>,
    /// Keys whose recommendations or visibility depend on this one.
    pub dependents: Vec<Cow<'static, str>>,
    /// Values to offer, given everything parsed so far.
    pub recommended: Option<Recommender>,
    /// Whether it is shown; without it, it always is.
    pub visible: Option<Visibility>,
}

impl Placement {
    /// A placement without dependents and recommendations.
    pub const fn new(group: &'static str, order: i32, width: Width, display_name: &'static str) -> Placement {
        Placement {
            group: Cow::Borrowed(group),
            order,
            width,
            display_name: Cow::Borrowed(display_name),
            dependents: Vec::new(),
            recommended: None,
            visible: None,
        }
    }

    /// A placement under texts made at run time.
    pub fn under(
        group: impl Into<Cow<'static, str>>,
        order: i32,
        width: Width,
        display_name: impl Into<Cow<'static, str>>,
    ) -> Placement {
        Placement {
            group: group.into(),
            order,
            width,
            display_name: display_name.into(),
            dependents: Vec::new(),
            recommended: None,
            visible: None,
        }
    }

    /// The same placement with keys that depend on this one.
    #[must_use]
    pub fn with_dependents(
        mut self,
        dependents: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
    ) -> Placement {
        self.dependents.extend(dependents.into_iter().map(Into::into));
        self
    }

    /// The same placement with values to offer.
    #[must_use]
    pub fn recommending(
        self,
        recommended: impl Fn(Values<'_>) -> Vec<String> + Send + Sync + 'static,
    ) -> Placement {
        Placement { recommended: Some(Arc::new(recommended)), ..self }
    }

    /// The same placement, shown only sometimes.
    #[must_use]
    pub fn visible_if(self, visible: impl Fn(Values<'_>) -> bool + Send + Sync + 'static) -> Placement {
        Placement { visible: Some(Arc::new(visible)), ..self }
    }
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placement")
            .field("group", &self.group)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}
