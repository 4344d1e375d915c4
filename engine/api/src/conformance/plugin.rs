//! What all plug-ins have in common: a name, a version, a configuration table.

use crate::config_def::{ConfigDef, Default};
use crate::connector::Props;

/// Checks what a plug-in says about itself, and that its table takes `props`.
pub(super) fn check(class: &str, version: &str, def: &ConfigDef, props: &Props) {
    assert!(!version.is_empty(), "{class} has no version");
    assert!(class.contains('.') && !class.contains(char::is_whitespace), "{class:?} is no full class name");
    for (index, key) in def.keys().iter().enumerate() {
        let name = &*key.name;
        assert!(!name.is_empty() && name.trim() == name, "{class} has a key named {name:?}");
        assert!(
            def.keys()[..index].iter().all(|other| other.name != key.name),
            "{class} has the key {name} twice"
        );
        assert!(!key.doc.is_empty(), "{class} does not say what {name} is");
    }
    let bare = def.validate(&Props::new());
    for (key, found) in def.keys().iter().zip(bare) {
        let is_required = key.default == Default::Required;
        assert!(
            is_required || found.errors.is_empty(),
            "{class}: its own default of {} is refused: {:?}",
            key.name,
            found.errors
        );
        assert!(
            !is_required || !found.errors.is_empty(),
            "{class}: {} is required and nobody asks for it",
            key.name
        );
    }
    if let Err(error) = def.parse(props) {
        panic!("{class} refuses the configuration of its case: {error}");
    }
    for key in def.keys().iter().filter(|key| key.default == Default::Required) {
        let mut without = props.clone();
        without.shift_remove(&*key.name);
        assert!(def.parse(&without).is_err(), "{class} starts without {}", key.name);
    }
}

/// Checks the task configurations that a connector makes.
pub(super) fn check_task_props(class: &str, make: impl Fn(usize) -> crate::Result<Vec<Props>>) -> Vec<Props> {
    let made = |tasks_max: usize| match make(tasks_max) {
        Ok(made) => made,
        Err(error) => panic!("{class} makes no configurations for {tasks_max} tasks: {error}"),
    };
    for tasks_max in [1, 2, 3, 100] {
        let count = made(tasks_max).len();
        assert!(count <= tasks_max, "{class} makes {count} tasks where {tasks_max} are allowed");
        assert_eq!(made(tasks_max), made(tasks_max), "{class} does not make the same tasks when asked again");
    }
    let one = made(1);
    assert_eq!(one.len(), 1, "{class} makes no task");
    [one, made(3)].concat()
}
