// What is thrown: errors with a name.

const named = (name, message, more) => Object.assign(new Error(message), { name }, more);

export const invalid = (message) => named("InvalidSettings", message);

export const stopped = () => named("Stopped", "the candidate was shut down");

export const lost = (message) => named("LeadershipLost", message);

/** Those that were made here. */
const known = new WeakSet();

/** Whatever a storage has thrown. It is transient, unless it says that it is not. */
export function failed(cause) {
  if (known.has(cause)) return cause;
  const error = named("StorageError", String(cause?.message ?? cause), { transient: cause?.transient !== false });
  if (cause instanceof Error) error.cause = cause;
  known.add(error);
  return error;
}

/** What Rust says does not fit. */
export function checked(act) {
  try {
    return act();
  } catch (error) {
    throw error?.name === "Error" ? invalid(error.message) : error;
  }
}
