import { Module } from '@nestjs/common';
import { AdminPerson } from './admin-person.service.js';
import { PeopleController } from './people.controller.js';
import { PeopleService } from './people.service.js';

@Module({ controllers: [PeopleController], providers: [AdminPerson, PeopleService] })
export class PeopleModule {}
