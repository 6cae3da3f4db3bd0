//! Says when going on is pointless, because the services are down and not one message out of order.

use relay_core::ports::PortError;

/// Failures without a success between them after which going on is pointless: more than are ever at hand at
/// the same time, few enough not to hammer on services that are down.
const FAILURES_IN_A_ROW_MAX: u32 = 16;

/// Failures without a success between them, so far.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    failures: u32,
    last: Option<PortError>,
}

impl Patience {
    /// Counts one piece of work that ended like this. That something unreadable was found says nothing about
    /// the services. Once patience is at its end it stays there.
    pub(crate) fn note(&mut self, ended: Result<(), &PortError>) {
        match ended {
            Ok(()) if self.is_at_its_end() => {}
            Ok(()) => self.failures = 0,
            Err(PortError::Corrupt { .. }) => {}
            Err(error @ PortError::Unavailable { .. }) => {
                self.failures += 1;
                self.last = Some(error.clone());
            }
        }
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// The last failure, when there is no point in it.
    pub(crate) fn check(&self) -> Result<(), PortError> {
        match &self.last {
            Some(error) if self.is_at_its_end() => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) const fn is_at_its_end(&self) -> bool {
        self.failures >= FAILURES_IN_A_ROW_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_outages_in_a_row_end_it() {
        let (action, reason) = ("asking", String::new());
        let corrupt = PortError::Corrupt { action, reason: reason.clone() };
        let down = PortError::Unavailable { action, reason };
        let mut patience = Patience::default();
        for _ in 0..100 {
            patience.note(Err(&corrupt));
            patience.note(Err(&down));
            patience.note(Ok(()));
        }
        for _ in 0..FAILURES_IN_A_ROW_MAX {
            assert!(!patience.is_at_its_end());
            assert_eq!(patience.check(), Ok(()));
            patience.note(Err(&corrupt));
            patience.note(Err(&down));
        }
        patience.note(Ok(()));
        assert!(patience.is_at_its_end());
        assert_eq!(patience.check(), Err(down));
    }
}
