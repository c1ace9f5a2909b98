//! Errors say in `Debug` what they say in `Display`: a program whose `main` answers an error shows the former, and so
//! does `unwrap`. What to do about it must not be lost there.

macro_rules! debug_as_displayed {
    ($error:ident) => {
        impl core::fmt::Debug for $error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($error), "({})"), self)
            }
        }
    };
}

pub(crate) use debug_as_displayed;
