//! What threads and interrupts may ask the kernel for, as words, and what it answers.
//!
//! A thread asks by a supervisor call with these words in r0 to r3; an interrupt handler asks
//! directly. Whatever the words are, [`Call::from_words`] gives a call or nothing: an unprivileged
//! thread is not trusted.

/// Wait as long as it takes.
pub const FOREVER: u32 = u32::MAX;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Every thread; no interrupt.
    Threads,
    /// Privileged threads only.
    Privileged,
    /// Every thread, and interrupts as long as the call does not have to wait.
    Everyone,
}

macro_rules! calls {
    ($(
        $(#[$doc:meta])*
        $variant:ident { $($argument:ident),* } = $number:literal, $rights:ident;
    )+) => {
        /// A call. Threads and objects are named by their handles, times are ticks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "what an argument means stands at the call")]
        pub enum Call { $( $(#[$doc])* $variant { $($argument: u32),* }, )+ }

        impl Call {
            /// The words that stand for the call.
            #[must_use]
            pub fn to_words(self) -> [u32; 4] {
                let (number, arguments): (u32, &[u32]) = match self {
                    $( Self::$variant { $($argument),* } => ($number, &[$($argument),*]), )+
                };
                let mut words = [number, 0, 0, 0];
                for (word, argument) in words.iter_mut().skip(1).zip(arguments) {
                    *word = *argument;
                }
                words
            }

            /// The call that words stand for.
            #[must_use]
            pub fn from_words([number, first, second, third]: [u32; 4]) -> Option<Self> {
                let mut _rest = [first, second, third].into_iter();
                Some(match number {
                    $( $number => Self::$variant {
                        $($argument: _rest.next().unwrap_or_default()),*
                    }, )+
                    _ => return None,
                })
            }

            /// Who may ask for it.
            #[must_use]
            pub const fn rights(self) -> Rights {
                match self { $( Self::$variant { .. } => Rights::$rights, )+ }
            }
        }
    };
}

calls! {
    /// Lets threads of the same priority run first.
    Yield {} = 0, Threads;
    /// Ends the calling thread.
    Exit { code } = 1, Threads;
    /// Waits for a time; the answer is 0.
    Sleep { ticks } = 2, Threads;
    /// Waits until a thread has ended; the answer is its code.
    Join { thread, timeout } = 3, Threads;
    /// Ends another thread; its code is [`TERMINATED`].
    Terminate { thread } = 4, Privileged;
    /// Gives a thread another priority.
    SetPriority { thread, priority } = 5, Privileged;
    /// Makes a mutex; the answer is its handle, as for every call that makes something.
    NewMutex {} = 6, Privileged;
    /// Makes a semaphore.
    NewSemaphore { initial, limit } = 7, Privileged;
    /// Makes a set of 31 event flags, all clear.
    NewFlags {} = 8, Privileged;
    /// Makes a queue of words.
    NewQueue { capacity } = 9, Privileged;
    /// Makes a timer that calls a function of this image, given by its address, on the timer
    /// thread.
    NewTimer { function, argument } = 10, Privileged;
    /// Takes an object away. Threads that wait for it get [`Error::NoSuchObject`].
    Delete { object } = 11, Privileged;
    /// Locks a mutex; the owner may lock it again, 255 times in all.
    Lock { mutex, timeout } = 12, Threads;
    /// Unlocks a mutex once.
    Unlock { mutex } = 13, Threads;
    /// Takes one from a semaphore.
    Acquire { semaphore, timeout } = 14, Everyone;
    /// Gives one to a semaphore.
    Release { semaphore } = 15, Everyone;
    /// Sets event flags; the answer is the set afterwards.
    SetFlags { flags, bits } = 16, Everyone;
    /// Clears event flags; the answer is the set before.
    ClearFlags { flags, bits } = 17, Everyone;
    /// Waits for any of some flags and clears those; the answer is the set before.
    WaitAny { flags, bits, timeout } = 18, Everyone;
    /// Waits for all of some flags and clears them; the answer is the set before.
    WaitAll { flags, bits, timeout } = 19, Everyone;
    /// Puts a word (31 bits) into a queue.
    Put { queue, word, timeout } = 20, Everyone;
    /// Takes a word from a queue.
    Get { queue, timeout } = 21, Everyone;
    /// Starts a timer, or starts it again; with a period of 0 it expires once.
    StartTimer { timer, delay, period } = 22, Everyone;
    /// Stops a timer.
    StopTimer { timer } = 23, Everyone;
    /// Waits for a timer to expire; the answer is its handle. For the timer thread.
    NextTimer {} = 24, Privileged;
}

/// The code of a thread that another one ended.
pub const TERMINATED: u32 = 0x7FFF_FFFF;

macro_rules! errors {
    ($( $(#[$doc:meta])* $variant:ident = $code:literal; )+) => {
        /// Why the kernel refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Error { $( $(#[$doc])* $variant = $code, )+ }

        impl Error {
            /// Every error, in the order of the codes.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];
        }
    };
}

errors! {
    /// The time was up.
    Timeout = 1;
    /// It would have to wait, and no time was given.
    WouldBlock = 2;
    /// The call is not for interrupt handlers.
    FromInterrupt = 3;
    /// The call is not for unprivileged threads.
    NotPrivileged = 4;
    /// No call has this number.
    NoSuchCall = 5;
    /// No thread has this handle, or it has been joined.
    NoSuchThread = 6;
    /// No object of this kind has this handle.
    NoSuchObject = 7;
    /// Every thread or object of the table is in use.
    TableFull = 8;
    /// The mutex is locked by somebody else, or by nobody.
    NotOwner = 9;
    /// A thread cannot wait for itself, nor end one of the kernel's own.
    NotThisThread = 10;
    /// A count would pass its limit.
    Limit = 11;
    /// A priority, capacity, size or set of flags is out of its range.
    OutOfRange = 12;
    /// No memory for the stack.
    OutOfMemory = 13;
    /// A call from a thread with interrupts masked.
    Masked = 14;
    /// A stack is too small or too large, or cannot be one region of the memory protection.
    BadStack = 15;
    /// A thread that has not been joined has a stack there.
    StackInUse = 16;
    /// A stack does not begin and end at multiples of eight.
    StackAlignment = 17;
    /// A word of the heap's own is wrong, so it gives no stack.
    HeapCorrupt = 18;
}

/// An answer as one word: a value below 2^31, or an error.
#[must_use]
pub const fn to_word(result: Result<u32, Error>) -> u32 {
    match result {
        Ok(value) => value & !ERROR_BIT,
        Err(error) => ERROR_BIT | error as u32,
    }
}

/// The answer that a word stands for. A word that no kernel gives reads as
/// [`Error::NoSuchCall`].
///
/// # Errors
/// The error that the word stands for.
pub fn from_word(word: u32) -> Result<u32, Error> {
    if word & ERROR_BIT == 0 {
        return Ok(word);
    }
    let code = word & !ERROR_BIT;
    let known = Error::ALL.iter().find(|error| **error as u32 == code);
    Err(known.copied().unwrap_or(Error::NoSuchCall))
}

const ERROR_BIT: u32 = 1 << 31;

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done(Result<u32, Error>),
    /// The caller waits; its answer comes with [`super::Kernel::take_answer`] when it runs again.
    Waits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_the_call_they_were_made_of() {
        for number in 0..=24 {
            let call = Call::from_words([number, 1, 2, 3]).expect("a call");
            assert_eq!(Call::from_words(call.to_words()), Some(call));
            assert_eq!(call.to_words()[0], number);
        }
        assert_eq!(Call::from_words([25, 0, 0, 0]), None);
        assert_eq!(Call::from_words([u32::MAX; 4]), None);
    }

    #[test]
    fn every_word_is_an_answer() {
        for error in Error::ALL {
            assert_eq!(from_word(to_word(Err(*error))), Err(*error));
        }
        assert_eq!(from_word(to_word(Ok(7))), Ok(7));
        assert_eq!(from_word(u32::MAX), Err(Error::NoSuchCall));
    }
}
