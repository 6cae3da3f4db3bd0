//! What the functions run as, and what stands between them and the services.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::environment::Endpoints;
use crate::lambda::OutputStyle;

/// Told where the services are, says where the functions and their event sources shall look for them.
pub type Detour = Box<dyn FnOnce(&Endpoints) -> std::io::Result<Endpoints> + Send>;

/// How the functions are hosted.
pub struct Hosting {
    /// The program that contains them: it runs one when it is started as `<program> function <name>`.
    /// None for the program that runs now.
    pub program: Option<PathBuf>,
    /// Settings by name. They win over the template's.
    pub settings: BTreeMap<String, String>,
    /// What is put between the functions and the services, such as something that loses answers.
    pub detour: Option<Detour>,
    /// How lines that they print are shown.
    pub output: OutputStyle,
}

impl Hosting {
    /// By the program that runs now, with the settings of its own environment, and no detours.
    #[must_use]
    pub fn of_this_process(output: OutputStyle) -> Self {
        let value = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
        let settings = relay_core::settings::ALL.iter();
        let settings = settings.filter_map(|setting| value(setting.name)).collect();
        Self { program: None, settings, detour: None, output }
    }
}
