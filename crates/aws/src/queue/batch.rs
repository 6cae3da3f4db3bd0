//! Sending many envelopes by few calls: packed by number and by size, sent side by side, and what the queue put off
//! once more.

use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageSystemAttributeNameForSends, SendMessageBatchRequestEntry,
};
use futures::StreamExt;
use futures::stream;
use relay_core::envelope::Envelope;
use relay_core::ports::PortError;

use super::{Letter, SEND, STRING, SqsQueue, text_attribute, trace_header, unbuilt};
use crate::error::{failed, unavailable};
use crate::tries::Tries;

/// The entries of one call, by what they are called in it: the most that `SendMessageBatch` takes.
const ENTRY_IDS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
/// What all messages of one call weigh at most, in bytes, attributes included (API reference of `SendMessageBatch`:
/// 1 MiB, since August 2025).
const CALL_BYTES_MAX: usize = 1024 * 1024;
/// Calls under way at once: a hundred messages are ten.
const CALLS_AT_ONCE: usize = 10;

/// What became of the envelope of a number.
type Answer = (usize, Result<(), PortError>);

impl SqsQueue {
    /// See [`relay_core::ports::Queue::send_all`].
    pub(super) async fn send_together(&self, envelopes: &[Envelope]) -> Vec<Result<(), PortError>> {
        let letters = envelopes.iter().map(|envelope| self.letter(envelope));
        let packs = packed(letters.enumerate());
        let calls: Vec<_> = packs.into_iter().map(|pack| self.send_pack(pack, envelopes)).collect();
        let mut calls = stream::iter(calls).buffer_unordered(CALLS_AT_ONCE);
        let mut answers: Vec<Option<Result<(), PortError>>> = vec![None; envelopes.len()];
        while let Some(answered) = calls.next().await {
            for (number, answer) in answered {
                answers[number] = Some(answer);
            }
        }
        let unknown = || Err(failed(SEND, "the answer does not say what became of it"));
        answers.into_iter().map(|answer| answer.unwrap_or_else(unknown)).collect()
    }

    /// One call, and others for the entries that were put off.
    async fn send_pack(&self, pack: Vec<(usize, Letter)>, envelopes: &[Envelope]) -> Vec<Answer> {
        let (mut numbers, mut letters): (Vec<usize>, Vec<Letter>) = pack.into_iter().unzip();
        let mut answers = Vec::with_capacity(numbers.len());
        let mut tries = Tries::begin();
        loop {
            let refused = match self.send_entries(letters).await {
                Ok(refused) => refused,
                Err(error) => {
                    answers.extend(numbers.into_iter().map(|number| (number, Err(error.clone()))));
                    return answers;
                }
            };
            let mut put_off = Vec::new();
            for (place, number) in numbers.into_iter().enumerate() {
                let of_entry = |(at, _): &&(usize, Refusal)| *at == place;
                match refused.iter().find(of_entry).map(|(_, refusal)| refusal) {
                    None => answers.push((number, Ok(()))),
                    Some(Refusal::PutOff(error)) => put_off.push((number, error.clone())),
                    Some(Refusal::ForGood(error)) => answers.push((number, Err(error.clone()))),
                }
            }
            if put_off.is_empty() || !tries.another().await {
                answers.extend(put_off.into_iter().map(|(number, error)| (number, Err(error))));
                return answers;
            }
            numbers = put_off.into_iter().map(|(number, _)| number).collect();
            letters = numbers.iter().map(|number| self.letter(&envelopes[*number])).collect();
        }
    }

    /// Sends letters by one call: which of them, by their place, were not taken.
    async fn send_entries(
        &self,
        mut letters: Vec<Letter>,
    ) -> Result<Vec<(usize, Refusal)>, PortError> {
        if letters.len() == 1
            && let Some(letter) = letters.pop()
        {
            return self.put(SEND, &self.queue_url, letter).await.map(|()| Vec::new());
        }
        let count = letters.len();
        let entries = letters.into_iter().zip(ENTRY_IDS).map(|(letter, id)| entry(id, letter));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let call = self.client.send_message_batch().queue_url(&self.queue_url);
        let answer = call.set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| unavailable(SEND, &error))?;
        let mut refused: Vec<_> = answer
            .failed
            .iter()
            .filter_map(|refusal| Some((place(&refusal.id)?, Refusal::of(refusal))))
            .collect();
        if answer.successful.len() + refused.len() < count {
            // No entry is taken to be in the queue unless the queue says so.
            let sent =
                |place: usize| answer.successful.iter().any(|sent| sent.id == ENTRY_IDS[place]);
            let is_told = |place: usize| sent(place) || refused.iter().any(|(at, _)| *at == place);
            let untold: Vec<_> = (0..count).filter(|place| !is_told(*place)).collect();
            refused.extend(untold.into_iter().map(|place| (place, Refusal::untold())));
        }
        Ok(refused)
    }
}

/// Why the queue did not take an entry.
enum Refusal {
    /// For its own reasons: it may take it yet.
    PutOff(PortError),
    /// Because of what it is.
    ForGood(PortError),
}

impl Refusal {
    fn of(entry: &BatchResultErrorEntry) -> Self {
        let code = &entry.code;
        let error = failed(
            SEND,
            &match &entry.message {
                Some(message) => format!("{code}: {message}"),
                None => code.clone(),
            },
        );
        if entry.sender_fault { Self::ForGood(error) } else { Self::PutOff(error) }
    }

    fn untold() -> Self {
        Self::ForGood(failed(SEND, "the answer does not say what became of it"))
    }
}

/// Which entry of a call is called `id`.
fn place(id: &str) -> Option<usize> {
    ENTRY_IDS.iter().position(|own| *own == id)
}

fn entry(id: &str, letter: Letter) -> Result<SendMessageBatchRequestEntry, PortError> {
    let mut entry = SendMessageBatchRequestEntry::builder().id(id).message_body(letter.text);
    for (name, value) in letter.attributes {
        entry = entry.message_attributes(name, text_attribute(SEND, value)?);
    }
    if let Some(trace) = letter.trace {
        let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
        entry = entry.message_system_attributes(name, trace_header(SEND, trace)?);
    }
    let entry = entry.set_delay_seconds(letter.delay_seconds).set_message_group_id(letter.group_id);
    entry.build().map_err(|_| unbuilt(SEND))
}

/// What the queue counts for a letter, in bytes.
fn bytes(letter: &Letter) -> usize {
    let of_attribute = |(name, value): &(&str, String)| name.len() + value.len() + STRING.len();
    letter.text.len() + letter.attributes.iter().map(of_attribute).sum::<usize>()
}

/// The letters in packs of what one call takes, in order. One that is too large goes alone, for the queue to say so.
fn packed(letters: impl Iterator<Item = (usize, Letter)>) -> Vec<Vec<(usize, Letter)>> {
    let mut packs: Vec<Vec<(usize, Letter)>> = Vec::new();
    let mut room_bytes = 0;
    for (number, letter) in letters {
        let weight = bytes(&letter);
        match packs.last_mut() {
            Some(pack) if pack.len() < ENTRY_IDS.len() && weight <= room_bytes => {
                room_bytes -= weight;
                pack.push((number, letter));
            }
            Some(_) | None => {
                room_bytes = CALL_BYTES_MAX.saturating_sub(weight);
                packs.push(vec![(number, letter)]);
            }
        }
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many letters of these sizes go by each call.
    fn sizes(letters: &[usize]) -> Vec<usize> {
        let letter = |size: &usize| Letter {
            text: "x".repeat(*size),
            attributes: Vec::new(),
            delay_seconds: None,
            group_id: None,
            trace: None,
            is_copy: false,
        };
        packed(letters.iter().map(letter).enumerate()).iter().map(Vec::len).collect()
    }

    #[test]
    fn letters_are_packed_by_number_and_by_size() {
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[1]), [1]);
        assert_eq!(sizes(&[1; 10]), [10]);
        assert_eq!(sizes(&[1; 25]), [10, 10, 5]);
        let quarter = CALL_BYTES_MAX / 4;
        assert_eq!(sizes(&[quarter; 9]), [4, 4, 1]);
        assert_eq!(sizes(&[CALL_BYTES_MAX - 1, 1, 1]), [2, 1]);
        assert_eq!(sizes(&[1, CALL_BYTES_MAX + 1, 1]), [1, 1, 1]);
    }

    #[test]
    fn attributes_count_by_name_value_and_type() {
        let letter = Letter {
            text: "abc".to_owned(),
            attributes: vec![("name", "value".to_owned())],
            delay_seconds: None,
            group_id: Some("group".to_owned()),
            trace: Some("trace".to_owned()),
            is_copy: false,
        };
        assert_eq!(bytes(&letter), 3 + 4 + 5 + 6);
    }
}
