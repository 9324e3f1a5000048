export async function authorise() {}
