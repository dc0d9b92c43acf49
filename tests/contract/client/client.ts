// What a front end does, as far as its types go: nothing here runs.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Project = components["schemas"]["Project"];
type Problem = components["schemas"]["Problem"];

const client = createClient<paths>({ baseUrl: "https://api.rowhouse.example" });

export async function signIn(email: string, password: string): Promise<void> {
  const { data, error } = await client.POST("/api/v1/auth/login", { body: { email, password } });
  if (error) throw new Error(describe(error));
  const token: string = data.access_token;
  client.use({
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${token}`);
    },
  });
}

export async function allProjects(): Promise<Project[]> {
  const projects: Project[] = [];
  let cursor: string | null | undefined;
  do {
    const query: { limit: number; status: "active"; cursor?: string } = { limit: 100, status: "active" };
    if (cursor) query.cursor = cursor;
    const { data, error } = await client.GET("/api/v1/projects", { params: { query } });
    if (error) throw new Error(describe(error));
    projects.push(...data.data);
    cursor = data.next_cursor;
  } while (cursor);
  return projects;
}

export async function rename(project: Project, name: string, etag: string): Promise<Project | "stale"> {
  const { data, error, response } = await client.PATCH("/api/v1/projects/{id}", {
    params: { path: { id: project.id }, header: { "If-Match": etag } },
    // A merge patch: null removes the description.
    body: { name, description: null },
  });
  if (response.status === 412) return "stale";
  if (error) throw new Error(describe(error));
  return data;
}

export async function create(name: string): Promise<Project> {
  // @ts-expect-error: a project needs a name
  const nameless: components["schemas"]["CreateProject"] = { description: "Atlas" };
  void nameless;
  const { data, error } = await client.POST("/api/v1/projects", { body: { name, status: "active" } });
  if (error) throw new Error(describe(error));
  const owner: string = data.owner_id;
  const deleted: string | null = data.deleted_at;
  void [owner, deleted];
  return data;
}

function describe(problem: Problem): string {
  const fields = (problem.errors ?? []).map((error) => `${error.pointer}: ${error.detail}`);
  switch (problem.code) {
    case "step_up_required":
      return "Please sign in again.";
    // @ts-expect-error: there is no such code
    case "no_such_code":
      return "";
    default:
      return [problem.detail, ...fields].join("; ");
  }
}
