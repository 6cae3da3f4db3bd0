//! What must hold of every message at every moment, as pure checks over what was seen to happen.
//!
//! A [`History`] is told of one observation after the other and says at once when one breaks an invariant;
//! [`History::at_rest`] judges what is left once everything has come to an end. It decides by the observations
//! alone and by [`Status::after`](crate::lifecycle::Status::after): it shares no other code with what it judges,
//! runs nothing and reads no clock.

mod copies;
mod step;
mod story;
mod unclaimed;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::body::Sha256;
use crate::identity::RelayId;
use crate::lifecycle::{Life, State};
use crate::message::Message;
use crate::outcome::ErrorKind;
use crate::time::Timestamp;
use story::Story;

/// How long before a record expires its message is given up at the latest. A generation that begins later than
/// that may come to no end: what has expired can no longer be noted.
const ENDING_TIME: Duration = Duration::from_secs(1800);

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// What was accepted ends DELIVERED, DEAD or CANCELLED.
    AcceptedIsDurable,
    /// Accepted, refused and unknown answers together are as many as were posted.
    AnswersAddUp,
    /// Every copy, claim and letter belongs to a record that says so already.
    RecordFirst,
    /// A message that is not final is in the queue, unless nobody was told that it is accepted.
    NothingIsStranded,
    /// States follow each other along the table, and only the holder of a message settles a failure.
    StatesFollowTheTable,
    /// No attempt begins before it is due, while somebody else holds the message, or after the end.
    AttemptsAreDue,
    /// No generation has more attempts than allowed, and none is given up for its attempts with fewer.
    AttemptsAreBounded,
    /// No two calls for one message are under way at once.
    OneCallAtOnce,
    /// Only what a target took is DELIVERED.
    DeliveredWasTaken,
    /// The target gets the bytes that were posted.
    BytesAreIntact,
    /// A dead letter is in its queue once its record says so, and at rest every record does.
    DeadIsBuried,
    /// At rest the dead-letter queue has no copy of a message that is not DEAD in that generation.
    LettersAreOfTheDead,
}

impl Invariant {
    /// The invariant as reports name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcceptedIsDurable => "accepted is durable",
            Self::AnswersAddUp => "answers add up",
            Self::RecordFirst => "record first",
            Self::NothingIsStranded => "nothing is stranded",
            Self::StatesFollowTheTable => "states follow the table",
            Self::AttemptsAreDue => "attempts are due",
            Self::AttemptsAreBounded => "attempts are bounded",
            Self::OneCallAtOnce => "one call at once",
            Self::DeliveredWasTaken => "delivered was taken",
            Self::BytesAreIntact => "bytes are intact",
            Self::DeadIsBuried => "dead is buried",
            Self::LettersAreOfTheDead => "letters are of the dead",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {detail}")]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// The message it is broken for.
    pub id: RelayId,
    /// How.
    pub detail: String,
}

/// What broke, before it is said for which message.
pub(crate) type Broken = (Invariant, String);

/// One environment of a function: what dies and is replaced, with a clock of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(pub u32);

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A 2xx: the message is the relay's now.
    Accepted,
    /// A 4xx: it is not, and repeating the request does not change that.
    Refused,
    /// A 503, or no answer at all: nobody knows.
    Unknown,
}

/// Something that was seen to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// A client began to post.
    Posted {
        /// Which request.
        post: u64,
        /// The message it is for.
        id: RelayId,
        /// The body in it.
        body: Sha256,
    },
    /// A client has its answer, or knows that none will come.
    Answered {
        /// Which request.
        post: u64,
        /// The message it was for.
        id: RelayId,
        /// What it was told.
        answer: Answer,
    },
    /// A record was written.
    Recorded(Box<Message>),
    /// The stored state of a message changed to this.
    Written {
        /// Who wrote it.
        by: Host,
        /// The message.
        id: RelayId,
        /// Its state now.
        state: Box<State>,
    },
    /// A call to the target began.
    Called {
        /// Who calls.
        by: Host,
        /// The message.
        id: RelayId,
        /// The number of the attempt, as the target sees it.
        attempt: u32,
        /// The body in it.
        body: Sha256,
    },
    /// A call is over, whether or not anybody heard the answer.
    Returned {
        /// Who called.
        by: Host,
        /// The message.
        id: RelayId,
        /// The number of the attempt.
        attempt: u32,
        /// The status of the answer; nothing if the caller went away.
        result: Option<Result<u16, ErrorKind>>,
    },
    /// The queue has one more copy.
    Queued {
        /// The message.
        id: RelayId,
        /// The life it is a copy of.
        life: Life,
        /// Whether nothing tells who receives it that the message was received before, as a delay or the mark of a
        /// dead letter does.
        fresh: bool,
    },
    /// Somebody was told that the message is cancelled.
    Withdrawn {
        /// The message.
        id: RelayId,
    },
    /// The queue has one copy less.
    Unqueued {
        /// The message.
        id: RelayId,
        /// The life it was a copy of.
        life: Life,
    },
    /// The dead-letter queue has one more copy.
    Buried {
        /// The message.
        id: RelayId,
        /// The life it is a copy of.
        life: Life,
    },
    /// The queue gave a copy up on its own and moved it to the dead-letter queue.
    Moved {
        /// The message.
        id: RelayId,
        /// The life it is a copy of.
        life: Life,
    },
    /// The dead-letter queue has one copy less.
    Exhumed {
        /// The message.
        id: RelayId,
        /// The life it was a copy of.
        life: Life,
    },
}

impl Observed {
    /// The message it is about.
    pub fn message(&self) -> &RelayId {
        match self {
            Self::Recorded(message) => &message.id,
            Self::Posted { id, .. }
            | Self::Answered { id, .. }
            | Self::Written { id, .. }
            | Self::Called { id, .. }
            | Self::Returned { id, .. }
            | Self::Queued { id, .. }
            | Self::Withdrawn { id }
            | Self::Unqueued { id, .. }
            | Self::Buried { id, .. }
            | Self::Moved { id, .. }
            | Self::Exhumed { id, .. } => id,
        }
    }
}

/// What an invariant needs to know of the settings and the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Attempts allowed in one generation.
    pub attempts_max: u32,
    /// How long a generation may take before it is given up for that.
    pub deadline: Duration,
    /// Longest wait between two attempts: a generation whose next attempt would come too late ends before its
    /// deadline.
    pub delay_max: Duration,
    /// How far the clocks of two hosts are apart at most.
    pub clock_difference: Duration,
    /// Whether somebody puts records and dead letters right in the background.
    pub reconciled: bool,
    /// Whether first attempts are made without a claim, as in lean status tracking. Each copy that was sent may then cost
    /// one call more than the attempts allowed, whatever became of the message; nothing else is let pass.
    pub lean: bool,
}

struct Post {
    id: RelayId,
    body: Sha256,
    answer: Option<Answer>,
}

/// Everything that was seen, as far as it still matters.
pub struct History {
    bounds: Bounds,
    posts: BTreeMap<u64, Post>,
    stories: BTreeMap<String, Story>,
}

impl History {
    /// Nothing was seen yet.
    pub const fn new(bounds: Bounds) -> Self {
        Self { bounds, posts: BTreeMap::new(), stories: BTreeMap::new() }
    }

    /// Takes note of what was seen at this time, by the true clock.
    ///
    /// # Errors
    /// When that breaks an invariant. The history is of no further use then.
    pub fn observe(&mut self, at: Timestamp, seen: &Observed) -> Result<(), Violation> {
        let blame = |(invariant, detail)| {
            let id = seen.message().clone();
            Violation { invariant, id, detail }
        };
        match seen {
            Observed::Posted { post, id, body } => self.posted(*post, id, *body),
            Observed::Answered { post, answer, .. } => self.answered(at, *post, *answer),
            Observed::Recorded(message) => self.recorded(message),
            Observed::Written { id, .. }
            | Observed::Called { id, .. }
            | Observed::Returned { id, .. }
            | Observed::Queued { id, .. }
            | Observed::Withdrawn { id }
            | Observed::Unqueued { id, .. }
            | Observed::Buried { id, .. }
            | Observed::Moved { id, .. }
            | Observed::Exhumed { id, .. } => {
                let nothing = || (Invariant::RecordFirst, "it has no record".to_owned());
                let story = self.stories.get_mut(id.as_str()).ok_or_else(nothing).map_err(blame)?;
                story.observe(at, seen, &self.bounds)
            }
        }
        .map_err(blame)
    }

    /// Judges what is left at this time, when all calls and requests are over, the queue is empty and nothing fails.
    ///
    /// # Errors
    /// When it breaks an invariant.
    pub fn at_rest(&self, at: Timestamp) -> Result<(), Violation> {
        let open = self.posts.values().find(|post| post.answer.is_none());
        if let Some(post) = open {
            let detail = "a request has no answer".to_owned();
            return Err(Violation {
                invariant: Invariant::AnswersAddUp,
                id: post.id.clone(),
                detail,
            });
        }
        for story in self.stories.values() {
            let blame = |(invariant, detail)| Violation { invariant, id: story.id(), detail };
            story.at_rest(at, &self.bounds).map_err(blame)?;
        }
        Ok(())
    }

    /// How many requests had this answer.
    pub fn answers(&self, answer: Answer) -> usize {
        self.posts.values().filter(|post| post.answer == Some(answer)).count()
    }

    fn posted(&mut self, post: u64, id: &RelayId, body: Sha256) -> Result<(), Broken> {
        match self.posts.insert(post, Post { id: id.clone(), body, answer: None }) {
            None => Ok(()),
            Some(_) => Err((Invariant::AnswersAddUp, "a request was posted twice".to_owned())),
        }
    }

    fn recorded(&mut self, message: &Message) -> Result<(), Broken> {
        let was_posted = self
            .posts
            .values()
            .any(|post| post.id == message.id && post.body == message.body.sha256());
        if !was_posted {
            return Err((Invariant::BytesAreIntact, "the body of no request".to_owned()));
        }
        if let Some(story) = self.stories.get_mut(message.id.as_str()) {
            return story.accept_anew(message);
        }
        self.stories.insert(message.id.as_str().to_owned(), Story::new(message));
        Ok(())
    }

    fn answered(&mut self, at: Timestamp, number: u64, answer: Answer) -> Result<(), Broken> {
        let nobody = || (Invariant::AnswersAddUp, "an answer to nobody".to_owned());
        let post = self.posts.get_mut(&number).ok_or_else(nobody)?;
        if post.answer.replace(answer).is_some() {
            return Err((Invariant::AnswersAddUp, "a request was answered twice".to_owned()));
        }
        if answer != Answer::Accepted {
            return Ok(());
        }
        let story = self.stories.get_mut(post.id.as_str());
        let nothing = || (Invariant::RecordFirst, "accepted without a record".to_owned());
        story.ok_or_else(nothing)?.accepted(at, post.body, &self.bounds)
    }
}

#[cfg(test)]
mod tests;
