//! What a test of a script asks of its client.

use std::cell::RefCell;

use nbdkit_script::__private::{Question, Reply};

/// Who answers.
pub(crate) type Answer = Box<dyn Fn(&Question<'_>, &mut Reply)>;

thread_local! {
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

/// From now on, this answers what is asked in this thread.
pub(crate) fn answer_by(answer: Answer) {
    ANSWER.set(Some(answer));
}

/// Asks the client of the test that runs in this thread.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_script_test_ask_1(question: &Question<'_>, reply: &mut Reply) {
    ANSWER.with_borrow(|answer| match answer {
        Some(answer) => answer(question, reply),
        None => {
            reply.errno = libc::EIO;
            reply.add(b"no test runs in this thread");
        }
    });
}
