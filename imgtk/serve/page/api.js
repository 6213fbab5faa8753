// Requests to the server that this page is from, and to no other.

const ROOT = "/api/v1";

/** What the server says is wrong: the members of its problem document. */
export class Problem extends Error {
  constructor(members) {
    super(members.detail ?? "The server does not answer as it should.");
    this.members = members;
  }
}

const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem("imgtk-token", given);
  history.replaceState(null, "", location.pathname);
}

export function setToken(token) {
  sessionStorage.setItem("imgtk-token", token);
}

export const hasToken = () => Boolean(sessionStorage.getItem("imgtk-token"));

/** The response of a request; throws Problem, also when the server cannot be reached. */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  const token = sessionStorage.getItem("imgtk-token");
  if (token) headers.set("Authorization", `Bearer ${token}`);
  let answer;
  try {
    answer = await fetch(ROOT + path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ detail: "The server cannot be reached.", status: 0 });
  }
  if (answer.ok) return answer;
  const members = await answer.json().catch(() => ({}));
  throw new Problem({ status: answer.status, retry: answer.headers.get("Retry-After"), ...members });
}

export async function get(path) {
  return (await request(path)).json();
}

export async function plan(pipeline, size, files, signal) {
  const body = JSON.stringify({ pipeline, size, files });
  return (await request("/plan", { method: "POST", body, signal })).json();
}

/** Make a job; if the server is full, wait until it is not. */
export async function submit(form, signal) {
  for (;;) {
    try {
      return await (await request("/jobs", { method: "POST", body: form, signal })).json();
    } catch (error) {
      const seconds = Number(error.members?.retry);
      if (!seconds) throw error;
      await new Promise((done) => setTimeout(done, 1000 * seconds));
      signal.throwIfAborted();
    }
  }
}

/** Call `onChange` with the job whenever it changes; give the job when it has ended. */
export async function follow(id, onChange) {
  const answer = await request(`/jobs/${id}/events`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let job;
  for (let text = ""; ; ) {
    const { done, value } = await reader.read().catch(() => {
      throw new Problem({ detail: "The connection to the server broke.", status: 0 });
    });
    if (done) break;
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").find((line) => line.startsWith("data: "));
      if (data) onChange((job = JSON.parse(data.slice(6))));
    }
  }
  return job;
}

export async function cancel(id) {
  return (await request(`/jobs/${id}`, { method: "DELETE", keepalive: true })).json();
}

/** The address of an image of a job within this page. */
export async function image(id, what) {
  return URL.createObjectURL(await (await request(`/jobs/${id}/${what}`)).blob());
}
