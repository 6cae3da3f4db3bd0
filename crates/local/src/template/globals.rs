//! Merges the template's Globals into a function's own properties, as SAM does: maps are joined, lists
//! are appended, and where both name a scalar the function's own one stands.

use serde_yaml_ng::{Mapping, Value as Yaml};

/// The function's properties with the global ones under them.
pub(super) fn merge(global: &Mapping, own: &Mapping) -> Mapping {
    let mut merged = global.clone();
    for (key, value) in own {
        let joined = match (merged.get(key), value) {
            (Some(Yaml::Mapping(below)), Yaml::Mapping(above)) => {
                Yaml::Mapping(merge(below, above))
            }
            (Some(Yaml::Sequence(below)), Yaml::Sequence(above)) => {
                Yaml::Sequence(below.iter().chain(above).cloned().collect())
            }
            _ => value.clone(),
        };
        merged.insert(key.clone(), joined);
    }
    merged
}
