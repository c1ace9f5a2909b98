// What is thrown: errors with a name.

const named = (name, message, more) => Object.assign(new Error(message), { name }, more);

export const invalid = (message) => named("InvalidSettings", message);

export const stopped = () => named("Stopped", "the candidate was shut down");

export const lost = (message) => named("LeadershipLost", message);

/** Whatever a storage has thrown; it is transient, unless it says that it is not. */
export const failed = (cause) =>
  cause?.name === "StorageError" ? cause : named("StorageError", cause?.message ?? String(cause), { transient: cause?.transient !== false, cause });

/** What Rust says does not fit. */
export function checked(act) {
  try {
    return act();
  } catch (error) {
    throw error.name === "Error" ? invalid(error.message) : error;
  }
}
