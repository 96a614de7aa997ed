import { route } from '../route.js';
import { SearchPage, SearchQuery } from '../search.js';

export const searchRoutes = {
  find: route({
    method: 'GET',
    path: '/api/v1/search',
    summary:
      'Search models, cards, versions, endpoints, experiments and runs by the words in them, best first',
    access: 'authenticated',
    status: 200,
    query: SearchQuery,
    response: SearchPage,
  }),
};
