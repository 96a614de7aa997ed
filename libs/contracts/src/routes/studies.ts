import { route } from '../route.js';
import * as studies from '../studies.js';

export const studyRoutes = {
  create: route({
    method: 'POST',
    path: '/api/v1/studies',
    summary: 'Start a hyper-parameter study; runs join it by `study_id`',
    access: 'runs:write',
    status: 201,
    body: studies.CreateStudy,
    response: studies.Study,
    errors: ['EXPERIMENT_NOT_FOUND', 'ALREADY_EXISTS'],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/studies',
    summary: 'List studies, newest first',
    access: 'runs:read',
    status: 200,
    query: studies.ListStudies,
    response: studies.StudyPage,
    errors: ['EXPERIMENT_NOT_FOUND'],
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/studies/{study_id}',
    summary: 'Read a study with its best run',
    access: 'runs:read',
    status: 200,
    params: studies.StudyParams,
    response: studies.Study,
    errors: ['STUDY_NOT_FOUND'],
  }),
  runs: route({
    method: 'GET',
    path: '/api/v1/studies/{study_id}/runs',
    summary: 'List the runs of a study, best first; those without a value last',
    access: 'runs:read',
    status: 200,
    params: studies.StudyParams,
    query: studies.ListTrials,
    response: studies.TrialPage,
    errors: ['STUDY_NOT_FOUND'],
  }),
};
