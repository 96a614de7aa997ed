/** Where the API's documentation is served. */
export const docsPath = '/api/docs';

/** Whether a request is for the documentation, its assets or its document. */
export const isDocsPath = (url: string): boolean => /^\/api\/docs(?:-json|-yaml)?(?:[/?]|$)/.test(url);
