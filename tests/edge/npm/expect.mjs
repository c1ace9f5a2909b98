// What tests of the npm package say when they fail.

/** Shows what is not as it should be. */
export function expect(what, found, wanted) {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (one !== other) throw new Error(`${what}: ${one}, and not ${other}`);
}

export async function fails(what, name, says, act) {
  let thrown;
  try {
    await act();
  } catch (error) {
    thrown = error;
  }
  const fits = thrown?.name === name && thrown.message.includes(says);
  if (!fits) throw new Error(`${what}: ${thrown?.name}: ${thrown?.message}, and not ${name}: ${says}`);
}
